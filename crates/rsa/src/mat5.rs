//! The elements of a MATLAB 5 file, as "MAT-File Format" (The MathWorks) has them.

use std::io::Read;

use flate2::bufread::ZlibDecoder;

const HEADER: usize = 128;
const TAG: usize = 8;
/// All that may be unpacked from one file, and the numbers that are read from it.
const LIMIT: usize = 1 << 30;

const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT16: u32 = 3;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const SINGLE: u32 = 7;
const DOUBLE: u32 = 9;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
const UTF8: u32 = 16;

/// A numeric variable.
pub(crate) struct Array {
    pub(crate) name: String,
    pub(crate) size: Vec<usize>,
    /// Column by column; `None` for complex numbers and integers, which are not read.
    pub(crate) values: Option<Vec<f64>>,
}

/// Why a file is refused.
pub(crate) struct Refusal {
    /// The variable, if the file was whole up to its name.
    pub(crate) variable: Option<String>,
    pub(crate) expected: String,
    pub(crate) found: String,
}

fn refuse<T>(expected: impl Into<String>, found: String) -> Result<T, Refusal> {
    Err(Refusal {
        variable: None,
        expected: expected.into(),
        found,
    })
}

/// The numeric variables of a file. Others, such as texts and cells, are passed over.
pub(crate) fn arrays(bytes: &[u8]) -> Result<Vec<Array>, Refusal> {
    let kind = "a MATLAB 5 file";
    if bytes.len() < HEADER {
        return refuse(kind, format!("only {} bytes", bytes.len()));
    }
    let (big, version) = match &bytes[124..HEADER] {
        [low, high, b'I', b'M'] => (false, [*high, *low]),
        [high, low, b'M', b'I'] => (true, [*high, *low]),
        other => return refuse(kind, format!("a header that ends in {other:02x?}")),
    };
    if version != [1, 0] {
        let found = format!("version {version:?}: [2, 0] is HDF5, as `-v7.3` writes");
        return refuse("a MATLAB file of version [1, 0]", found);
    }
    let mut file = Elements {
        bytes,
        at: HEADER,
        big,
        packed: None,
    };
    let mut room = LIMIT;
    let mut arrays = Vec::new();
    while file.at < bytes.len() {
        let start = file.at;
        let (kind, content) = file.next("matrices only", &[MATRIX, COMPRESSED])?;
        let array = if kind == MATRIX {
            let parts = Elements {
                bytes: &bytes[..file.at],
                at: start + TAG,
                ..file
            };
            array(parts, &mut room)?
        } else {
            let unpacked = unpack(&file, content, start, &mut room)?;
            let mut matrix = Elements {
                bytes: &unpacked,
                at: 0,
                big,
                packed: Some(start),
            };
            matrix.next("one matrix", &[MATRIX])?;
            matrix.end()?;
            array(Elements { at: TAG, ..matrix }, &mut room)?
        };
        arrays.extend(array);
    }
    Ok(arrays)
}

/// What the compressed element at byte `start` holds: a tag, and no more than a byte
/// above what that says.
fn unpack(
    file: &Elements,
    content: &[u8],
    start: usize,
    room: &mut usize,
) -> Result<Vec<u8>, Refusal> {
    let damaged = |found| refuse("a whole compressed element", found);
    let broken = |error| damaged(format!("a damaged one at byte {start} ({error})"));
    let mut decoder = ZlibDecoder::new(content);
    let mut tag = [0; TAG];
    if let Err(error) = decoder.read_exact(&mut tag) {
        return broken(error);
    }
    let [.., a, b, c, d] = tag;
    let length = file.number([a, b, c, d]);
    spend(room, length as usize, &format!("byte {start}"))?;
    let mut unpacked = tag.to_vec();
    let mut limited = decoder.take(u64::from(length) + 1);
    if let Err(error) = limited.read_to_end(&mut unpacked) {
        return broken(error);
    }
    match limited.get_ref().get_ref().len() {
        0 => Ok(unpacked),
        rest => damaged(format!("{rest} bytes behind its end at byte {start}")),
    }
}

fn spend(room: &mut usize, bytes: usize, place: &str) -> Result<(), Refusal> {
    match room.checked_sub(bytes) {
        Some(rest) => *room = rest,
        None => {
            let found = format!("more, in the element at {place}");
            return refuse(format!("matrices of at most {LIMIT} bytes in all"), found);
        }
    }
    Ok(())
}

/// The variable whose parts `elements` gives, if it is numeric.
fn array(mut elements: Elements, room: &mut usize) -> Result<Option<Array>, Refusal> {
    let place = elements.place();
    let (_, flags) = elements.next("array flags", &[UINT32])?;
    let &[a, b, c, d, _, _, _, _] = flags else {
        return refuse(
            "8 bytes of array flags",
            format!("{} at {place}", flags.len()),
        );
    };
    let flags = elements.number([a, b, c, d]);
    let class = flags & 0xff;
    match class {
        6..=15 => {}
        // Cells, structures, objects, texts, sparse matrices, functions, opaque values.
        1..=5 | 16..=18 => return Ok(None),
        _ => return refuse("a class of MATLAB", format!("class {class} at {place}")),
    }
    let place = elements.place();
    let (_, size) = elements.next("dimensions", &[INT32])?;
    let (dimensions, []) = size.as_chunks() else {
        return refuse(
            "whole dimensions",
            format!("{} bytes at {place}", size.len()),
        );
    };
    let dimensions = dimensions.iter();
    let size: Vec<usize> = dimensions
        .map(|size| elements.number(*size) as usize)
        .collect();
    let place = elements.place();
    let (_, name) = elements.next("a name", &[INT8, UTF8])?;
    let Ok(name) = String::from_utf8(name.to_vec()) else {
        let name = &name[..name.len().min(63)];
        return refuse("a name in UTF-8", format!("{name:02x?} at {place}"));
    };
    let is_complex = flags & 0x800 != 0;
    let storage = match class {
        6 if !is_complex => Some(DOUBLE),
        7 if !is_complex => Some(SINGLE),
        _ => None,
    };
    let values = storage.map(|storage| values(&mut elements, storage, &size, room));
    match values.transpose() {
        Ok(values) => Ok(Some(Array { name, size, values })),
        Err(refusal) => Err(Refusal {
            variable: Some(name),
            ..refusal
        }),
    }
}

/// The numbers of a matrix, stored as its class says or, to save space, as integers.
fn values(
    elements: &mut Elements,
    storage: u32,
    size: &[usize],
    room: &mut usize,
) -> Result<Vec<f64>, Refusal> {
    let place = elements.place();
    let kinds = [INT8, UINT8, INT16, UINT16, INT32, UINT32, storage];
    let (kind, data) = elements.next("real numbers", &kinds)?;
    let width = match kind {
        INT8 | UINT8 => 1,
        INT16 | UINT16 => 2,
        DOUBLE => 8,
        _ => 4,
    };
    let count = size
        .iter()
        .try_fold(1, |count: usize, size| count.checked_mul(*size));
    let bytes = count.and_then(|count| count.checked_mul(width));
    if size.len() < 2 || bytes != Some(data.len()) {
        let expected = format!("numbers of {width} bytes for the size {size:?}");
        return refuse(expected, format!("{} bytes at {place}", data.len()));
    }
    elements.end()?;
    spend(room, (data.len() / width).saturating_mul(8), &place)?;
    let number = |stored: &[u8]| {
        let mut le = [0; 8];
        le[..width].copy_from_slice(stored);
        if elements.big {
            le[..width].reverse();
        }
        let [a, b, c, d, ..] = le;
        match kind {
            INT8 => f64::from(a as i8),
            UINT8 => f64::from(a),
            INT16 => f64::from(i16::from_le_bytes([a, b])),
            UINT16 => f64::from(u16::from_le_bytes([a, b])),
            INT32 => f64::from(i32::from_le_bytes([a, b, c, d])),
            UINT32 => f64::from(u32::from_le_bytes([a, b, c, d])),
            SINGLE => f64::from(f32::from_le_bytes([a, b, c, d])),
            _ => f64::from_le_bytes(le),
        }
    };
    Ok(data.chunks_exact(width).map(number).collect())
}

/// Elements one after another, of a file or of what was unpacked from one.
#[derive(Clone, Copy)]
struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    big: bool,
    /// Where in the file the compressed element begins that these come from.
    packed: Option<usize>,
}

impl<'a> Elements<'a> {
    fn place(&self) -> String {
        match self.packed {
            None => format!("byte {}", self.at),
            Some(start) => format!("byte {} of what is packed at byte {start}", self.at),
        }
    }

    fn number(&self, bytes: [u8; 4]) -> u32 {
        if self.big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    fn end(&self) -> Result<(), Refusal> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            rest => {
                let found = format!("{rest} bytes more at {}", self.place());
                refuse("the end of the matrix", found)
            }
        }
    }

    /// The kind and the content of the next element, which must be one of `kinds`.
    fn next(&mut self, expected: &str, kinds: &[u32]) -> Result<(u32, &'a [u8]), Refusal> {
        let place = self.place();
        let Some((&[a, b, c, d, e, f, g, h], rest)) = self.bytes[self.at..].split_first_chunk()
        else {
            let found = format!("half a tag at {place}: the file is cut short");
            return refuse("whole elements", found);
        };
        let tag = self.number([a, b, c, d]);
        // Up to four bytes of content fit into the tag, beside a length of two bytes.
        let small = tag >> 16;
        let kind = tag & 0xffff;
        if !kinds.contains(&kind) || small > 4 {
            let kind = if small > 4 { tag } else { kind };
            return refuse(expected, format!("an element of type {kind} at {place}"));
        }
        if small > 0 {
            let content = &self.bytes[self.at + 4..][..small as usize];
            self.at += TAG;
            return Ok((kind, content));
        }
        let length = self.number([e, f, g, h]) as usize;
        // Parts of a matrix, and matrices that are not packed, end at a multiple of 8.
        let whole = match kind {
            COMPRESSED => length,
            _ => length.div_ceil(8).saturating_mul(8),
        };
        if rest.len() < whole {
            let found = format!(
                "{} of {whole} bytes behind the tag at {place}: the file is cut short",
                rest.len()
            );
            return refuse("whole elements", found);
        }
        self.at += TAG + whole;
        Ok((kind, &rest[..length]))
    }
}
