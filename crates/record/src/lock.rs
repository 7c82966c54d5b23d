use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A lock that is held until this is dropped or the process ends, however it ends.
///
/// It is advisory: it keeps those away who ask for it, too.
#[derive(Debug)]
pub struct Lock(Option<(PathBuf, File)>);

impl Lock {
    /// The lock of a storage that no other process can see.
    pub fn of_private_storage() -> Self {
        Self(None)
    }

    /// `file` at `path` has been locked.
    pub(crate) fn held(path: PathBuf, file: File) -> Self {
        Self(Some((path, file)))
    }

    /// Whether the locked file is still the one at its path: it is not, once its folder has
    /// been removed or renamed.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot tell.
    pub fn is_in_place(&self) -> io::Result<bool> {
        let Some((path, file)) = &self.0 else {
            return Ok(true);
        };
        match is_same(path, file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            told => told,
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some((_, file)) = &self.0 {
            // So that nobody reads that it is held. The lock itself ends with the file.
            let _ = file.set_len(0);
        }
    }
}

#[cfg(unix)]
fn is_same(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let (there, held) = (std::fs::symlink_metadata(path)?, file.metadata()?);
    Ok((there.dev(), there.ino()) == (held.dev(), held.ino()))
}

// Elsewhere a file that is open cannot be renamed or removed.
#[cfg(not(unix))]
fn is_same(path: &Path, _: &File) -> io::Result<bool> {
    std::fs::exists(path)
}
