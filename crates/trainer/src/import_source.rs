use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Another program's files, from which a run was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportSource {
    /// The files' format.
    pub format: String,
    /// The epoch, as that program counts them.
    pub epoch: u64,
    /// The files by name, each with its BLAKE3 in hex.
    pub files: BTreeMap<String, String>,
    /// What could not be carried over, and what took its place.
    pub replaced: Vec<String>,
}
