use serde::{Deserialize, Serialize};

use crate::{ReportAblation, ReportRun};

/// Everything that a report is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The page's title.
    pub title: String,
    /// The command that makes this report again.
    pub command: String,
    /// The runs, in the order in which colours are given to those without a parent among them.
    pub runs: Vec<ReportRun>,
    /// The ablations.
    pub ablations: Vec<ReportAblation>,
}
