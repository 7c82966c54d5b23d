use serde::{Deserialize, Serialize};

use crate::ReportChange;

/// The state of another run that a run was branched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportFork {
    /// The other run's id.
    pub run_id: String,
    /// Optimizer steps that it had done.
    pub step: u64,
    /// That state's hash.
    pub state_hash: String,
    /// The settings that are not the other run's.
    pub changes: Vec<ReportChange>,
}
