use serde::{Deserialize, Serialize};

/// The early-stopping rule of a run, and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportStopping {
    /// Whether it may end the run.
    pub enabled: bool,
    /// The metric that it watches.
    pub monitor: String,
    /// Whether larger values are better.
    pub larger_is_better: bool,
    /// An improvement is a change of more than this, in the metric's unit.
    pub min_delta: f64,
    /// Epochs in a row without improvement that end the run.
    pub patience: u64,
    /// Whether it has ended the run.
    pub triggered: bool,
    /// Epochs in a row without improvement, as the run has counted them.
    pub epochs_without_improvement: u64,
    /// The best value so far.
    pub best: Option<f64>,
    /// The epoch that reached it, from 1.
    pub best_epoch: Option<u64>,
}
