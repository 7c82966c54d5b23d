use serde::{Deserialize, Serialize};

use crate::{ForkSource, IdentityChange, ImportSource};

/// Something that happened to a run and makes it another run than its settings alone describe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageEvent {
    /// Optimizer steps done when it happened.
    pub step: u64,
    /// The identity that was changed by consent.
    pub identity_changes: Vec<IdentityChange>,
    /// Another program's files that the run was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportSource>,
    /// The state of another run that it was branched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked: Option<ForkSource>,
}
