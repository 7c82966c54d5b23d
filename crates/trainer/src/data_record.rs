use serde::{Deserialize, Serialize};

/// Where the run stands in its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// Identifies the examples, their order and the split, in hex.
    pub fingerprint: String,
    /// Number of training examples.
    pub len: u64,
    /// Epochs completed; the epoch in progress has this number, from 0.
    pub epoch: u64,
    /// Training examples of the epoch in progress that are done.
    pub position: u64,
    /// BLAKE3 of the order of the epoch in progress: proves that the rebuilt one is equal.
    pub permutation_key: String,
}
