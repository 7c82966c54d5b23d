use serde::{Deserialize, Serialize};

/// `[run]`: which run of the experiment this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedConfig {
    /// Seeds every random stream.
    pub seed: u64,
    /// The researcher's number of the run.
    pub training_run: u64,
}

impl Default for SeedConfig {
    fn default() -> Self {
        Self {
            seed: 42,
            training_run: 1,
        }
    }
}
