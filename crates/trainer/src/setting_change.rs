use serde::{Deserialize, Serialize};

/// A setting that a branch has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingChange {
    /// The configuration key.
    pub key: String,
    /// The parent's value, as JSON.
    pub from: String,
    /// The branch's, as JSON.
    pub to: String,
}
