use serde::{Deserialize, Serialize};

/// The state of one registered [`Stream`](crate::Stream).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamRecord {
    /// The 256-bit key in lower-case hex. It follows from the seed and the
    /// name; it is stored so that an altered seed cannot pass unnoticed.
    pub key: String,
    /// The number of 64-bit draws since the start.
    pub position: u64,
}
