use std::path::{Path, PathBuf};

use dacapo_record::{FsStorage, Tree, read_sealed};
use dacapo_trainer::{RunFolder, payload_tree};

use crate::CliError;

/// Reads a checkpoint's payload, whole and verified.
pub(crate) fn read_payload(path: &Path) -> Result<Vec<u8>, CliError> {
    Ok(read_sealed(&FsStorage, path)?)
}

/// Reads a checkpoint's leaves.
pub(crate) fn read_tree(path: &Path) -> Result<Tree, CliError> {
    Ok(payload_tree(path, &read_payload(path)?)?)
}

/// The file that `path` means: itself, or the latest checkpoint of a run folder.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, CliError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let folder = RunFolder::new(path);
    let name = folder.latest()?.ok_or_else(|| {
        CliError::input(
            format!("{} is no run folder: it has no `latest`", path.display()),
            "Give a folder that `dacapo train` made, or a checkpoint file",
        )
    })?;
    Ok(folder.checkpoint(&name)?)
}
