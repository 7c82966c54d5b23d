//! Sealed files: what is refused, and as what.

use std::path::Path;

use dacapo_record::{FORMAT_VERSION, FsStorage, RecordError, TRAILER_LEN, open, read_sealed, seal};
use proptest::prelude::*;

/// A record's beginning, as every payload has one.
const PAYLOAD: &[u8] = b"\x82\xa8metadata\x01\xa4item\xc0";

fn path() -> &'static Path {
    Path::new("runs/a/checkpoints/step-1.mpk")
}

fn refusal(bytes: &[u8]) -> RecordError {
    let error = open(path(), bytes).expect_err("a bad file");
    let text = error.to_string();
    assert!(text.contains("runs/a/checkpoints/step-1.mpk"), "{text}");
    error
}

/// A trailer written from the documentation, not by `seal`.
fn trailer(version: u32, needed: [u16; 3], payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x89DACAPO\n".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend(needed.into_iter().flat_map(u16::to_le_bytes));
    bytes.extend([0; 6]);
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(blake3::hash(payload).as_bytes());
    let check = blake3::hash(&bytes[8..]);
    bytes.extend(&check.as_bytes()[..16]);
    bytes
}

#[test]
fn layout_is_not_the_documented_one() {
    let mut expected = PAYLOAD.to_vec();
    expected.extend(trailer(1, [0, 1, 0], PAYLOAD));
    assert_eq!(seal(PAYLOAD.to_vec()), expected);
    assert_eq!(expected.len(), PAYLOAD.len() + TRAILER_LEN);
}

#[test]
fn truncated_file_is_taken_for_another_fault() {
    let sealed = seal(PAYLOAD.to_vec());
    for length in 1..sealed.len() {
        let error = refusal(&sealed[..length]);
        assert!(
            matches!(error, RecordError::Truncated { .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn lost_beginning_or_added_byte_is_accepted() {
    let sealed = seal(PAYLOAD.to_vec());
    for start in 1..PAYLOAD.len() {
        let error = refusal(&sealed[start..]);
        assert!(matches!(error, RecordError::Truncated { .. }), "{error}");
        let text = error.to_string();
        let expected = format!("a payload of {} bytes", PAYLOAD.len());
        let found = format!("found {} bytes", PAYLOAD.len() - start);
        assert!(text.contains(&expected) && text.contains(&found), "{text}");
    }
    let mut longer = sealed.clone();
    longer.push(0);
    let error = refusal(&longer);
    assert!(matches!(error, RecordError::Truncated { .. }), "{error}");
    let mut twice = sealed.clone();
    twice.extend(&sealed);
    let error = refusal(&twice);
    assert!(matches!(error, RecordError::Truncated { .. }), "{error}");
}

#[test]
fn flipped_bit_is_accepted() {
    let sealed = seal(PAYLOAD.to_vec());
    for bit in 0..8 * sealed.len() {
        let mut damaged = sealed.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = refusal(&damaged);
        let expected = if bit / 8 < PAYLOAD.len() {
            "payload"
        } else {
            "trailer"
        };
        assert!(
            matches!(error, RecordError::Corrupt { part, .. } if part == expected),
            "bit {bit}: {error}"
        );
    }
}

#[test]
fn empty_file_is_taken_for_another_fault() {
    assert!(matches!(refusal(&[]), RecordError::Empty { .. }));
}

#[test]
fn foreign_file_is_called_damaged() {
    let png = b"\x89PNG\r\n\x1a\n".repeat(40);
    let pickle = b"\x80\x02}q\x00".repeat(40);
    let json = br#"{"epoch": 1}"#.to_vec();
    for bytes in [png, pickle, json, vec![0; 4096]] {
        let error = refusal(&bytes);
        assert!(matches!(error, RecordError::Foreign { .. }), "{error}");
    }
    let text = refusal(b"PK\x03\x04").to_string();
    assert!(text.contains("4 bytes that begin with 504b0304"), "{text}");
}

#[test]
fn unsealed_burn_record_is_accepted() {
    let error = refusal(include_bytes!("fixtures/burn-0.21.0.mpk"));
    assert!(matches!(error, RecordError::Truncated { .. }), "{error}");
    assert!(error.to_string().contains("no trailer"), "{error}");
}

#[test]
fn newer_format_is_read_as_this_one() {
    let mut bytes = b"\x82another encoding".to_vec();
    let end = trailer(FORMAT_VERSION + 1, [0, 12, 3], &bytes);
    bytes.extend(end);
    let error = refusal(&bytes);
    assert!(
        matches!(error, RecordError::NewerFormat { found: 2, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("dacapo 0.12.3 or later"),
        "{error}"
    );
}

#[test]
fn format_version_zero_is_accepted() {
    let mut bytes = PAYLOAD.to_vec();
    bytes.extend(trailer(0, [0, 0, 0], PAYLOAD));
    assert!(matches!(refusal(&bytes), RecordError::Corrupt { .. }));
}

#[test]
fn huge_declared_length_is_allocated() {
    let mut bytes = trailer(1, [0, 1, 0], PAYLOAD);
    bytes[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
    let check = blake3::hash(&bytes[8..64]);
    bytes[64..].copy_from_slice(&check.as_bytes()[..16]);
    let error = refusal(&bytes);
    assert!(matches!(error, RecordError::Truncated { .. }), "{error}");
}

#[test]
fn missing_file_is_an_unclear_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = read_sealed(&FsStorage, &folder.path().join("x.mpk")).expect_err("no file");
    assert!(matches!(error, RecordError::Missing { .. }), "{error}");
    let error = read_sealed(&FsStorage, folder.path()).expect_err("a folder");
    assert!(matches!(error, RecordError::Io { .. }), "{error}");
}

proptest! {
    #[test]
    fn a_payload_comes_back_changed(payload: Vec<u8>) {
        let sealed = seal(payload.clone());
        prop_assert_eq!(open(path(), &sealed).expect("a good file"), &payload[..]);
    }

    #[test]
    fn random_bytes_are_opened(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(open(path(), &bytes).is_err());
    }
}
