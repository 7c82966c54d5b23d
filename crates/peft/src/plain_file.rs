use std::fs::File;
use std::io::{Error, ErrorKind};
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
