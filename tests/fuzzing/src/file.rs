//! Files that hold what a target was given.

use std::{fmt::Display, path::Path};

/// Calls `action` with the path of a file `name` that holds `bytes`.
pub(crate) fn with_file<T>(name: &str, bytes: &[u8], action: impl FnOnce(&Path) -> T) -> T {
    with_files(&[(name, bytes)], |folder| action(&folder.join(name)))
}

/// Calls `action` with the path of a folder of these files.
pub(crate) fn with_files<T>(files: &[(&str, &[u8])], action: impl FnOnce(&Path) -> T) -> T {
    // In memory where the system has such a folder: a fuzzer writes thousands a second.
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder for a file");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("a file can be written");
    }
    action(folder.path())
}

/// What was read, or nothing if `path` was refused in words that name it.
#[track_caller]
pub(crate) fn accepted<T>(path: &Path, read: Result<T, impl Display>) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(error) => {
            let (message, name) = (error.to_string(), path.display().to_string());
            assert!(message.contains(&name), "{name} is not named: {message}");
            None
        }
    }
}
