use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::StreamRecord;

/// The state of an [`RngHub`](crate::RngHub), as a checkpoint stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RngRecord {
    /// [`ALGORITHM`](crate::ALGORITHM) of the build that wrote it.
    pub algorithm: String,
    /// The seed of every stream.
    pub seed: u64,
    /// The registered streams, by name.
    pub streams: BTreeMap<String, StreamRecord>,
}
