use serde::{Deserialize, Serialize};

/// An epoch of a resumed run beside the baseline's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationRow {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Mean loss of its training steps.
    pub train_loss: f64,
    /// Loss on the validation examples.
    pub valid_loss: f64,
    /// How much `train_loss` is above the baseline's, in % of that.
    pub train_difference_percent: f64,
    /// How much `valid_loss` is above the baseline's, in % of that.
    pub valid_difference_percent: f64,
    /// Distance of the adapters, as of the case.
    pub distance: f64,
}
