use serde::{Deserialize, Serialize};

/// When checkpoints are written besides the first, the last and the best one. Bits do
/// not depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointPolicy {
    /// Every so many optimizer steps; 0 for none.
    pub every_steps: u64,
    /// Every so many epochs; 0 for none. These are kept for ever: they are what one
    /// branches off.
    pub every_epochs: u64,
    /// How many of the latest checkpoints between epochs are kept; at least 1.
    pub keep_last: u64,
}

impl Default for CheckpointPolicy {
    fn default() -> Self {
        Self {
            every_steps: 0,
            every_epochs: 1,
            keep_last: 2,
        }
    }
}
