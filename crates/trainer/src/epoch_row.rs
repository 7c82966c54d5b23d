use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One row of the history: what an epoch ended with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRow {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Optimizer steps done so far.
    pub step: u64,
    /// The factor on every learning rate in the epoch's last step.
    pub lr_factor: f64,
    /// `train_loss` and whatever the task's evaluation reports.
    pub metrics: BTreeMap<String, f64>,
}
