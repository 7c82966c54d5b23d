use serde::{Deserialize, Serialize};

use super::AblationRow;

/// A run that was resumed without a part of its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationCase {
    /// Epochs done when it was resumed.
    pub resume_at: u64,
    /// What it was resumed without.
    pub left_out: String,
    /// Whether, in the end, any other part of the state is not what it would have been.
    pub matters: bool,
    /// The first optimizer step after which the adapters differ from the baseline's.
    pub first_differing_step: Option<u64>,
    /// The epoch after which training ended.
    pub stopped_epoch: u64,
    /// Distance of the adapters from the baseline's after the last epoch that both have:
    /// L2 norm of the difference by that of the baseline's.
    pub distance: f64,
    /// A row for every epoch after `resume_at` that the baseline has, too.
    pub rows: Vec<AblationRow>,
}
