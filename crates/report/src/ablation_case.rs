use serde::{Deserialize, Serialize};

use crate::{AblationRow, ablation::number_or_null};

/// The baseline, gone on with after an epoch without a part of its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationCase {
    /// The epoch after which it went on.
    pub resume_at: u64,
    /// The part of the state that was left out.
    pub left_out: String,
    /// Whether, in the end, any other part of the state is not what it would have been.
    pub matters: bool,
    /// The first optimizer step after which the adapters differ; `None` if there is none.
    pub first_differing_step: Option<u64>,
    /// The epoch at which training stopped, from 1.
    pub stopped_epoch: u64,
    /// The distance of the adapters, as of a row, after the last epoch that the baseline has, too;
    /// `null` is read as not-a-number.
    #[serde(deserialize_with = "number_or_null")]
    pub distance: f64,
    /// The epochs after `resume_at` that the baseline has, too.
    pub rows: Vec<AblationRow>,
}

impl AblationCase {
    /// The largest absolute difference of the validation loss in %; `None` without a comparable
    /// epoch.
    pub fn largest_valid_difference(&self) -> Option<f64> {
        let differences = self
            .rows
            .iter()
            .map(|row| row.valid_difference_percent.abs());
        differences.filter(|x| !x.is_nan()).reduce(f64::max)
    }
}
