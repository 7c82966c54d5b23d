use serde::{Deserialize, Serialize};

use super::{AblationCase, Baseline, table};

/// An uninterrupted run, and runs resumed from its states with a part left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ablation {
    /// Version of this format.
    pub format: u32,
    /// The command that makes it again.
    pub command: String,
    /// Epochs asked for.
    pub epochs: u64,
    /// Optimizer steps in an epoch.
    pub steps_per_epoch: u64,
    /// The uninterrupted run.
    pub baseline: Baseline,
    /// The resumed ones, by resume point.
    pub cases: Vec<AblationCase>,
}

impl Ablation {
    /// The version that this program writes.
    pub const FORMAT: u32 = 1;

    /// A table in Markdown: a row a case.
    pub fn markdown(&self) -> String {
        table::markdown(self)
    }

    /// Every epoch of every case as CSV.
    pub fn csv(&self) -> String {
        table::csv(self)
    }
}
