use std::{collections::BTreeMap, fmt};

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

/// The epoch and every metric by name, on one line: `epoch  3  train_loss 0.1250  valid_loss 0.2500`.
impl fmt::Display for EpochRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {:2}", self.epoch)?;
        let mut metrics = self.metrics.iter();
        metrics.try_for_each(|(name, value)| write!(f, "  {name} {value:.4}"))
    }
}
