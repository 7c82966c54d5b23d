use serde::{Deserialize, Serialize};

use crate::SettingChange;

/// The state that a run was branched off, and what was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForkSource {
    /// The run's id.
    pub run_id: String,
    /// The state's hash.
    pub state_hash: String,
    /// The settings that are not the parent's.
    pub changes: Vec<SettingChange>,
}
