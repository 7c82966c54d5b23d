use serde::{Deserialize, Serialize};

use crate::AblationBaselineRow;

/// The run that an ablation compares with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationBaseline {
    /// Its id.
    pub run_id: String,
    /// The hash of its final state.
    pub state_hash: String,
    /// The epoch at which its training stopped, from 1.
    pub stopped_epoch: u64,
    /// Its epochs.
    pub rows: Vec<AblationBaselineRow>,
}
