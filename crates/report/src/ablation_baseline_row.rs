use serde::{Deserialize, Serialize};

use crate::ablation::number_or_null;

/// An epoch of the run that an ablation compares with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationBaselineRow {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The training loss; `null` is read as not-a-number.
    #[serde(deserialize_with = "number_or_null")]
    pub train_loss: f64,
    /// The validation loss; `null` is read as not-a-number.
    #[serde(deserialize_with = "number_or_null")]
    pub valid_loss: f64,
}
