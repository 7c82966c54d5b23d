use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::{RecordError, Storage};

/// Writes `bytes` to `path` so that the file is never seen, or found after a
/// crash, in part: write to the temporary sibling `.NAME.tmp`, sync it, compare
/// it with `bytes`, rename it onto `path`, sync the folder. The folder must exist.
///
/// # Errors
///
/// [`RecordError::Io`], naming the step; [`RecordError::Unfaithful`]. The temporary file
/// is then removed if the system allows it. The file that was at `path` is still there,
/// whole, unless the renaming was done and what follows failed: then the new one is there,
/// whole, but might not outlast a power cut.
pub fn commit(
    storage: &(impl Storage + ?Sized),
    path: &Path,
    bytes: &[u8],
) -> Result<(), RecordError> {
    let temporary = temporary(path)?;
    // Left behind by a crash; `write_new` would refuse it.
    let stale = storage
        .entry(&temporary)
        .map_err(|error| RecordError::io(&temporary, "look for a temporary file", error))?;
    if stale.is_some() {
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
        .and_then(|()| verify(storage, &temporary, bytes))
        .and_then(|()| {
            storage
                .rename(&temporary, path)
                .and_then(|()| match storage.entry(&temporary)? {
                    None => Ok(()),
                    Some(_) => Err(io::Error::other("reported as done, but it was not")),
                })
                .map_err(|error| RecordError::io(path, "rename the temporary file to it", error))
        });
    if let Err(error) = written {
        // The first failure is the one to report.
        let _ = storage.remove(&temporary);
        return Err(error);
    }
    sync_parent(storage, path)
}

/// A file system that reports success for what it did not do is found out while the
/// previous file is still there.
fn verify(
    storage: &(impl Storage + ?Sized),
    temporary: &Path,
    bytes: &[u8],
) -> Result<(), RecordError> {
    match storage.holds(temporary, bytes) {
        Ok(true) => Ok(()),
        Ok(false) => Err(RecordError::Unfaithful {
            path: temporary.to_owned(),
            length: bytes.len(),
        }),
        Err(error) => Err(RecordError::io(
            temporary,
            "read the temporary file back",
            error,
        )),
    }
}

/// Makes a folder and its parents, unless they exist, and makes their entries durable.
///
/// # Errors
///
/// [`RecordError::Io`], naming the step.
pub fn create_folder(storage: &(impl Storage + ?Sized), folder: &Path) -> Result<(), RecordError> {
    let mut new = Vec::new();
    for path in folder.ancestors() {
        if path.as_os_str().is_empty() {
            break;
        }
        let entry = storage.entry(path);
        match entry.map_err(|error| RecordError::io(path, "look for it", error))? {
            Some(_) => break,
            None => new.push(path),
        }
    }
    storage
        .create_dir_all(folder)
        .map_err(|error| RecordError::io(folder, "create it", error))?;
    // From above: a folder whose parent is lost is lost.
    for path in new.into_iter().rev() {
        sync_parent(storage, path)?;
    }
    Ok(())
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
