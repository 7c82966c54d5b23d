use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::entry_kind::is;
use crate::{EntryKind, RecordError, Storage};

const LOCK: &str = "lock";

/// Keeps others who ask for it out of `folder`, which exists, until what is returned is
/// dropped. `holder` is what they are told: "process 12 on host".
///
/// # Errors
///
/// [`RecordError::Locked`], [`RecordError::Irregular`], [`RecordError::Io`].
pub fn lock_folder(
    storage: &(impl Storage + ?Sized),
    folder: &Path,
    holder: &str,
) -> Result<Lock, RecordError> {
    let path = folder.join(LOCK);
    is(storage, &path, EntryKind::File)?;
    storage
        .lock(&path, holder)
        .map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => RecordError::Locked {
                path: folder.to_owned(),
                holder: holder_of(storage, &path),
            },
            _ => RecordError::io(&path, "lock it", error),
        })
}

/// Who holds a lock, as its file says.
fn holder_of(storage: &(impl Storage + ?Sized), path: &Path) -> String {
    let said = storage.read(path).unwrap_or_default();
    match String::from_utf8_lossy(&said[..said.len().min(200)]).trim() {
        "" => "another process".to_owned(),
        holder => holder.to_owned(),
    }
}

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

    /// Refuses to go on where the lock's folder is no longer the one that was locked.
    ///
    /// # Errors
    ///
    /// [`RecordError::Vanished`], [`RecordError::Io`].
    pub fn check(&self) -> Result<(), RecordError> {
        let Some((path, _)) = &self.0 else {
            return Ok(());
        };
        let in_place = self.is_in_place();
        match in_place.map_err(|error| RecordError::io(path, "look for it", error))? {
            true => Ok(()),
            false => Err(RecordError::Vanished {
                path: path.parent().unwrap_or(path).to_owned(),
            }),
        }
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
