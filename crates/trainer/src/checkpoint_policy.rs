use serde::{Deserialize, Serialize};

/// When checkpoints are written besides the first, the last and the best one, and how long
/// they are kept. Bits do not depend on it.
///
/// Always kept: the first, the one that `latest` names, the one that `best` names, and every
/// one that a branch has pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointPolicy {
    /// Every so many optimizer steps; 0 for none.
    pub every_steps: u64,
    /// Every so many epochs; 0 for none.
    pub every_epochs: u64,
    /// How many of the latest of those are kept that nothing else keeps; at least 1.
    pub keep_last: u64,
    /// Of the checkpoints of `every_epochs`, those of every so many epochs are kept for ever:
    /// they are what one branches off. 0 for none.
    pub keep_every_epochs: u64,
}

impl Default for CheckpointPolicy {
    fn default() -> Self {
        Self {
            every_steps: 0,
            every_epochs: 1,
            keep_last: 2,
            keep_every_epochs: 1,
        }
    }
}
