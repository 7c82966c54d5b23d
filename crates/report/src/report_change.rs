use serde::{Deserialize, Serialize};

/// A setting that a branch has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportChange {
    /// The configuration key.
    pub key: String,
    /// The value before.
    pub from: String,
    /// The value after.
    pub to: String,
}
