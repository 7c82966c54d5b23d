use std::{io::Write, path::Path};

use dacapo::rsa::Rdm;
use flate2::{Compression, write::ZlibEncoder};

use crate::{
    file::{accepted, with_file},
    memory::bounded,
};

/// Of what is unpacked: a number of one byte becomes one of eight, in the order of the file and
/// in ours.
const PER_BYTE: usize = 24;

/// Where a file's elements begin.
pub(crate) const HEADER: usize = 128;

/// Deflate packs at most so many bytes into one.
const DEFLATE: usize = 1032;

/// MATLAB files: `bytes` as a file, as the elements behind the header of one, and as what is
/// packed in the one element of one.
pub fn mat(bytes: &[u8]) {
    read(bytes, PER_BYTE * DEFLATE * bytes.len());
    let elements = [&header()[..], bytes].concat();
    read(&elements, PER_BYTE * DEFLATE * bytes.len());

    let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).expect("memory takes it");
    let packed = packer.finish().expect("memory takes it");
    let mut file = header().to_vec();
    file.extend(15_u32.to_le_bytes());
    file.extend((packed.len() as u32).to_le_bytes());
    file.extend(&packed);
    read(&file, PER_BYTE * (bytes.len() + file.len()));
}

/// What stands before the elements, for little-endian numbers.
fn header() -> [u8; HEADER] {
    let mut header = [b' '; HEADER];
    header[124..].copy_from_slice(b"\0\x01IM");
    header
}

fn read(bytes: &[u8], memory: usize) {
    with_file("hostile.mat", bytes, |path| {
        let only = matrix(path, None, memory);
        let named = matrix(path, Some("rdm"), memory);
        if let (Some(only), Some(named)) = (only, named) {
            assert_eq!(only, named, "the only matrix is another one by its name");
        }
    });
}

fn matrix(path: &Path, variable: Option<&str>, memory: usize) -> Option<Rdm> {
    let read = || accepted(path, Rdm::read_mat(path, variable));
    let matrix = bounded(1, memory, read)?;
    let (size, values) = (matrix.size(), matrix.values().to_vec());
    let again = Rdm::from_dissimilarities(size, values).expect("it is what it says");
    assert_eq!(again, matrix);
    Some(matrix)
}
