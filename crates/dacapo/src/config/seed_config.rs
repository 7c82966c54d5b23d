use dacapo_ops::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[run]`: which run of the experiment this is, and how precisely it multiplies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeedConfig {
    /// Seeds every random stream.
    pub seed: u64,
    /// The researcher's number of the run.
    pub training_run: u64,
    /// Precision of matrix products; anything but `f32` needs a GPU.
    pub precision: Precision,
}

impl Default for SeedConfig {
    fn default() -> Self {
        Self {
            seed: 42,
            training_run: 1,
            precision: Precision::F32,
        }
    }
}
