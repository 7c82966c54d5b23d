use std::path::Path;

use dacapo_pth::{Node, PthFile};
use dacapo_things::Split;

use super::tensors::wrong;
use crate::CliError;

/// The split of `len` images that the original wrote as `dataset_split_indices.pth`: the
/// indices `train_indices` and `test_indices` of rows of the table of targets.
///
/// # Errors
/// Another kind of file, an index that is missing, doubled or out of range.
pub(crate) fn read_split(path: &Path, len: usize) -> Result<Split, CliError> {
    let file = PthFile::open(path)?;
    let indices = |name: &str| -> Result<Vec<usize>, CliError> {
        let index = |node: Node<'_>| {
            let value = node.int()?;
            usize::try_from(value).map_err(|_| wrong(&node, "the index of a row, from 0", value))
        };
        file.root()
            .get(name)?
            .items()?
            .into_iter()
            .map(index)
            .collect()
    };
    let split = Split::of(indices("train_indices")?, indices("test_indices")?, len)?;
    Ok(split)
}
