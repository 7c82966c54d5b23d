use serde::{Deserialize, Serialize};

use crate::Ablation;

/// An ablation and its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportAblation {
    /// How the report calls it.
    pub label: String,
    /// What was found.
    pub ablation: Ablation,
}
