use std::path::{Path, PathBuf};

use dacapo_record::{FsStorage, commit, create_folder};

use crate::CliError;

/// Writes files that must not be there yet, in this order, each of them whole or not at all.
pub(super) fn write_new_files(files: &[(PathBuf, Vec<u8>)]) -> Result<(), CliError> {
    for (path, _) in files {
        check_new(path)?;
    }
    for (path, bytes) in files {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        create_folder(&FsStorage, folder).map_err(|error| {
            CliError::input(
                format!("cannot make the folder {}: {error}", folder.display()),
                "Choose a folder that can be written to with --out",
            )
        })?;
        commit(&FsStorage, path, bytes)?;
    }
    Ok(())
}

/// Refuses a path that leads to anything.
pub(super) fn check_new(path: &Path) -> Result<(), CliError> {
    match path.symlink_metadata().is_ok() {
        true => Err(CliError::input(
            format!("{} exists already", path.display()),
            "Choose another --out, or move that file away",
        )),
        false => Ok(()),
    }
}
