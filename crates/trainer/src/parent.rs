use serde::{Deserialize, Serialize};

/// The run that this one was branched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// Its run id.
    pub run_id: String,
    /// The optimizer step of the checkpoint that was branched off.
    pub step: u64,
}
