use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Augment;

/// `[data]`: which examples, and how they are split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// The data set; `digits` is the one that is built in.
    pub name: String,
    /// The classes to use; empty for all.
    pub classes: Vec<u8>,
    /// Chooses the split, whatever `run.seed` says: a base that was trained on the same
    /// split has never seen the test images.
    pub split_seed: u64,
    /// Share of each class held out to choose the best epoch.
    pub valid_fraction: f64,
    /// Share of each class held out for the final accuracy.
    pub test_fraction: f64,
    /// Use at most this many training examples; 0 for all.
    pub limit: usize,
    /// Random changes of the training images.
    pub augment: Augment,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            name: "digits".to_owned(),
            classes: Vec::new(),
            split_seed: 0,
            valid_fraction: 0.2,
            test_fraction: 0.2,
            limit: 0,
            augment: Augment::None,
        }
    }
}
