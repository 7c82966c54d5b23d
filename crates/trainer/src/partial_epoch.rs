use serde::{Deserialize, Serialize};

/// Sums over the epoch in progress, needed to write its row when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartialEpoch {
    /// Sum of loss times examples.
    pub loss_sum: f64,
    /// Examples seen.
    pub examples: u64,
}
