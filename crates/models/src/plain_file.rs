use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

/// Opens a file to read it. Neither a folder nor a pipe or a device, whose opening would
/// wait for its other end.
pub(crate) fn open_plain_file(path: &Path) -> std::io::Result<File> {
    let kind = std::fs::metadata(path)?;
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => File::open(path),
        (_, true) => Err(Error::new(ErrorKind::IsADirectory, "a folder, not a file")),
        _ => Err(Error::new(
            ErrorKind::InvalidInput,
            "a pipe, a device or the like, not a file",
        )),
    }
}

/// All of a file of at most so many bytes.
pub(crate) fn read_plain_file(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open_plain_file(path)?;
    file.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 <= most {
        true => Ok(bytes),
        false => Err(Error::new(
            ErrorKind::InvalidData,
            format!("more than {most} bytes"),
        )),
    }
}
