use serde::{Deserialize, Serialize};

use crate::ablation::number_or_null;

/// An epoch of an ablation's case, beside the baseline.
///
/// JSON has no word for a number that is not finite; `null` is read as not-a-number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationRow {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The training loss.
    #[serde(deserialize_with = "number_or_null")]
    pub train_loss: f64,
    /// The validation loss.
    #[serde(deserialize_with = "number_or_null")]
    pub valid_loss: f64,
    /// The training loss's difference from the baseline's, in % of the baseline's.
    #[serde(deserialize_with = "number_or_null")]
    pub train_difference_percent: f64,
    /// The validation loss's difference from the baseline's, in % of the baseline's.
    #[serde(deserialize_with = "number_or_null")]
    pub valid_difference_percent: f64,
    /// The distance of the adapters from the baseline's: the L2 norm of the difference by that of
    /// the baseline's.
    #[serde(deserialize_with = "number_or_null")]
    pub distance: f64,
}
