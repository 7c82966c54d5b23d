use std::io;
use std::path::Path;

use crate::{RecordError, Storage};

/// The format version that [`seal`] writes and the newest that [`open`] reads.
pub const FORMAT_VERSION: u32 = 1;

/// Bytes that [`seal`] adds.
pub const TRAILER_LEN: usize = 80;

const MAGIC: [u8; 8] = *b"\x89DACAPO\n";
/// The first dacapo version that reads [`FORMAT_VERSION`].
const NEEDED: [u16; 3] = [0, 1, 0];
const CHECK: usize = 64;

/// `payload` with the trailer appended: what a checkpoint file holds. The layout
/// is in the [crate's documentation](crate).
pub fn seal(mut payload: Vec<u8>) -> Vec<u8> {
    let mut trailer = [0; TRAILER_LEN];
    trailer[..8].copy_from_slice(&MAGIC);
    trailer[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    for (i, part) in NEEDED.into_iter().enumerate() {
        trailer[12 + 2 * i..14 + 2 * i].copy_from_slice(&part.to_le_bytes());
    }
    trailer[24..32].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    trailer[32..64].copy_from_slice(blake3::hash(&payload).as_bytes());
    let check = check(&trailer);
    trailer[CHECK..].copy_from_slice(&check);
    payload.extend_from_slice(&trailer);
    payload
}

/// The payload of a sealed file. `path` is for the messages.
///
/// # Errors
///
/// [`RecordError::Empty`], [`RecordError::Truncated`], [`RecordError::Corrupt`]
/// (a changed byte), [`RecordError::Foreign`] (another kind of file),
/// [`RecordError::NewerFormat`] (names the dacapo version that reads it).
pub fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a [u8], RecordError> {
    if bytes.is_empty() {
        return Err(RecordError::Empty {
            path: path.to_owned(),
        });
    }
    let Some((payload, trailer)) = bytes.split_last_chunk::<TRAILER_LEN>() else {
        return Err(no_trailer(path, bytes));
    };
    verify_trailer(path, bytes, trailer)?;

    let version = u32::from_le_bytes(array(&trailer[8..12]));
    if version > FORMAT_VERSION {
        let part = |at: usize| u16::from_le_bytes(array(&trailer[at..at + 2]));
        return Err(RecordError::NewerFormat {
            path: path.to_owned(),
            supported: FORMAT_VERSION,
            found: version,
            needed: format!("{}.{}.{}", part(12), part(14), part(16)),
        });
    }
    if version == 0 {
        return Err(corrupt(
            path,
            "trailer",
            "a format version of at least 1".to_owned(),
            "0".to_owned(),
        ));
    }
    let declared = u64::from_le_bytes(array(&trailer[24..32]));
    if declared != payload.len() as u64 {
        return Err(RecordError::Truncated {
            path: path.to_owned(),
            expected: format!("a payload of {declared} bytes"),
            found: format!("{} bytes", payload.len()),
        });
    }
    let found = blake3::hash(payload);
    let expected = blake3::Hash::from(array::<32>(&trailer[32..64]));
    if found != expected {
        return Err(corrupt(
            path,
            "payload",
            format!("BLAKE3 {}", expected.to_hex()),
            found.to_hex().to_string(),
        ));
    }
    Ok(payload)
}

/// Reads and [`open`]s the file at `path`: its payload.
///
/// # Errors
///
/// [`RecordError::Missing`], [`RecordError::Io`], and those of [`open`].
pub fn read_sealed(storage: &(impl Storage + ?Sized), path: &Path) -> Result<Vec<u8>, RecordError> {
    let mut bytes = storage.read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => RecordError::Missing {
            path: path.to_owned(),
        },
        _ => RecordError::io(path, "read it", error),
    })?;
    let length = open(path, &bytes)?.len();
    bytes.truncate(length);
    Ok(bytes)
}

/// The magic lies outside the check, so that one changed byte leaves one of the
/// two intact and the file is known for a damaged one, not for a foreign one.
fn verify_trailer(
    path: &Path,
    bytes: &[u8],
    trailer: &[u8; TRAILER_LEN],
) -> Result<(), RecordError> {
    let (magic, stored, computed) = (&trailer[..8], &trailer[CHECK..], check(trailer));
    match (magic == MAGIC, stored == computed) {
        (true, true) => Ok(()),
        (false, false) => Err(no_trailer(path, bytes)),
        (false, true) => Err(corrupt(
            path,
            "trailer",
            format!("magic {}", hex(&MAGIC)),
            hex(magic),
        )),
        (true, false) => Err(corrupt(
            path,
            "trailer",
            format!("check {}", hex(stored)),
            hex(&computed),
        )),
    }
}

/// Tells a file that lost its end from one that never was a checkpoint. Looks at
/// bytes only; parses nothing.
fn no_trailer(path: &Path, bytes: &[u8]) -> RecordError {
    let tail = &bytes[bytes.len().saturating_sub(TRAILER_LEN)..];
    // Two bytes of the magic at the very end are enough of a sign.
    let begun = (0..tail.len().saturating_sub(1)).find(|&at| {
        let length = MAGIC.len().min(tail.len() - at);
        tail[at..at + length] == MAGIC[..length]
    });
    if let Some(at) = begun {
        return RecordError::Truncated {
            path: path.to_owned(),
            expected: format!("a trailer of {TRAILER_LEN} bytes at the end"),
            found: format!("{} of them", tail.len() - at),
        };
    }
    // A map whose first key is a string: how every record begins. A first byte
    // alone, cut after it, would be a map's.
    let map = matches!(bytes[0], 0x81..=0x8f | 0xde | 0xdf);
    let key = match bytes[0] {
        0xde => bytes.get(3),
        0xdf => bytes.get(5),
        _ => bytes.get(1),
    };
    if map && key.is_none_or(|byte| matches!(byte, 0xa0..=0xbf | 0xd9 | 0xda)) {
        return RecordError::Truncated {
            path: path.to_owned(),
            expected: format!("a trailer of {TRAILER_LEN} bytes at the end"),
            found: format!("{} bytes of a record and no trailer", bytes.len()),
        };
    }
    RecordError::Foreign {
        path: path.to_owned(),
        found: format!(
            "{} bytes that begin with {}",
            bytes.len(),
            hex(&bytes[..bytes.len().min(8)])
        ),
    }
}

fn check(trailer: &[u8; TRAILER_LEN]) -> [u8; 16] {
    array(&blake3::hash(&trailer[8..CHECK]).as_bytes()[..16])
}

fn corrupt(path: &Path, part: &'static str, expected: String, found: String) -> RecordError {
    RecordError::Corrupt {
        path: path.to_owned(),
        part,
        expected,
        found,
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the caller slices N bytes")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
