use serde::{Deserialize, Serialize};

/// A window of steps in which training was disturbed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportPerturbation {
    /// What was done, in words.
    pub text: String,
    /// The first disturbed optimizer step, from 1.
    pub first_step: u64,
    /// How many steps were disturbed.
    pub steps: u64,
}
