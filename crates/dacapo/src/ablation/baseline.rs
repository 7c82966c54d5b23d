use serde::{Deserialize, Serialize};

/// The uninterrupted run of an ablation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Its id.
    pub run_id: String,
    /// The hash of its last state.
    pub state_hash: String,
    /// The epoch after which it ended.
    pub stopped_epoch: u64,
    /// A row an epoch.
    pub rows: Vec<BaselineRow>,
}

/// An epoch of the uninterrupted run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineRow {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Mean loss of its training steps.
    pub train_loss: f64,
    /// Loss on the validation examples.
    pub valid_loss: f64,
}
