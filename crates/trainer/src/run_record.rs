use serde::{Deserialize, Serialize};

use crate::{EpochRow, LineageEvent, Parent, PartialEpoch, ResetOptimizer};

/// The run's own bookkeeping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Follows from settings, base, data and parent: equal experiments have equal ids.
    pub run_id: String,
    /// The researcher's number of the run.
    pub training_run: u64,
    /// Optimizer steps done.
    pub global_step: u64,
    /// Epochs to train.
    pub epochs: u64,
    /// Scenario A (`never`) or B (`every-epoch`).
    pub reset_optimizer: ResetOptimizer,
    /// The run and step that this one was branched off.
    pub parent: Option<Parent>,
    /// The perturbation that this branch applies.
    pub perturbation: Option<String>,
    /// Changes of identity that were accepted.
    pub lineage: Vec<LineageEvent>,
    /// The epoch in progress.
    pub partial_epoch: PartialEpoch,
    /// One row an epoch.
    pub history: Vec<EpochRow>,
    /// The whole resolved configuration, as JSON, so that one file is enough to go on.
    pub config: String,
}
