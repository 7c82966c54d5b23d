use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::{RecordError, Storage};

/// Writes `bytes` to `path` so that the file is never seen, or found after a
/// crash, in part: write to the temporary sibling `.NAME.tmp`, sync it, rename
/// it onto `path`, sync the folder. The folder must exist.
///
/// # Errors
///
/// [`RecordError::Io`], naming the step. The temporary file is then removed if
/// the system allows it. A file that was at `path` is still there, whole, unless
/// only the last step failed: then the new one is there, whole, but might not
/// outlast a power cut.
pub fn commit(
    storage: &(impl Storage + ?Sized),
    path: &Path,
    bytes: &[u8],
) -> Result<(), RecordError> {
    let temporary = temporary(path)?;
    // Left behind by a crash; `write_new` would refuse it.
    let stale = storage
        .exists(&temporary)
        .map_err(|error| RecordError::io(&temporary, "look for a temporary file", error))?;
    if stale {
        storage
            .remove(&temporary)
            .map_err(|error| RecordError::io(&temporary, "remove a stale temporary file", error))?;
    }

    let written = storage
        .write_new(&temporary, bytes)
        .map_err(|error| RecordError::io(&temporary, "write the temporary file", error))
        .and_then(|()| {
            storage
                .sync_file(&temporary)
                .map_err(|error| RecordError::io(&temporary, "sync the temporary file", error))
        })
        .and_then(|()| {
            storage
                .rename(&temporary, path)
                .map_err(|error| RecordError::io(path, "rename the temporary file to it", error))
        });
    if let Err(error) = written {
        // The first failure is the one to report.
        let _ = storage.remove(&temporary);
        return Err(error);
    }
    sync_parent(storage, path)
}

/// Makes the entry of `path` in its folder durable.
pub(crate) fn sync_parent(
    storage: &(impl Storage + ?Sized),
    path: &Path,
) -> Result<(), RecordError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    storage
        .sync_dir(folder)
        .map_err(|error| RecordError::io(folder, "sync the folder", error))
}

fn temporary(path: &Path) -> Result<PathBuf, RecordError> {
    let Some(name) = path.file_name() else {
        let error = io::Error::new(io::ErrorKind::IsADirectory, "the path has no file name");
        return Err(RecordError::io(path, "write a file", error));
    };
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".tmp");
    Ok(path.with_file_name(hidden))
}
