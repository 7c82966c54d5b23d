use serde::{Deserialize, Serialize};

use crate::{ReportFork, ReportPerturbation, ReportRow, ReportStopping};

/// A run in the state of its latest checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRun {
    /// How the report calls it.
    pub label: String,
    /// Its id, by which its branches name it.
    pub run_id: String,
    /// The state's hash.
    pub state_hash: String,
    /// Optimizer steps done.
    pub step: u64,
    /// Epochs completed.
    pub epochs: u64,
    /// What the optimizer's state did at the end of an epoch, in words.
    pub scenario: String,
    /// The learning rate, before the schedule's factor.
    pub learning_rate: f64,
    /// The early-stopping rule and where it stands.
    pub stopping: ReportStopping,
    /// The steps that were disturbed.
    pub perturbation: Option<ReportPerturbation>,
    /// What it was branched off, the oldest first: the last one is its parent.
    pub forks: Vec<ReportFork>,
    /// What else happened to it, a line each.
    pub notes: Vec<String>,
    /// Name and value of everything else that can change bits.
    pub identity: Vec<(String, String)>,
    /// One row an epoch, those before it was branched off included.
    pub rows: Vec<ReportRow>,
}
