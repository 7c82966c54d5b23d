use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an epoch ended with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRow {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Optimizer steps done so far.
    pub step: u64,
    /// The schedule's factor on the learning rate in the epoch's last step.
    pub lr_factor: f64,
    /// `train_loss`, `valid_loss` and whatever else was measured, each in its own unit.
    pub metrics: BTreeMap<String, f64>,
}
