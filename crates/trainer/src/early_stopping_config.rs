use serde::{Deserialize, Serialize};

use crate::{Direction, TrainerError};

/// When to stop for lack of improvement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStoppingConfig {
    /// Whether to stop at all. The best checkpoint is kept either way.
    pub enabled: bool,
    /// The metric to watch, a column of the history.
    pub monitor: String,
    /// Which way is better.
    pub direction: Direction,
    /// Stop after this many epochs in a row without improvement.
    pub patience: u64,
    /// An improvement is a change of more than this.
    pub min_delta: f64,
}

impl Default for EarlyStoppingConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            monitor: "valid_loss".to_owned(),
            direction: Direction::Min,
            patience: 20,
            min_delta: 0.0,
        }
    }
}

impl EarlyStoppingConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the key that is out of range.
    pub fn validate(&self) -> Result<(), TrainerError> {
        if self.patience == 0 {
            return Err(TrainerError::setting(
                "early_stopping.patience",
                0,
                "at least 1 epoch is needed",
                "Set early_stopping.enabled = false to train without early stopping",
            ));
        }
        if !(self.min_delta.is_finite() && self.min_delta >= 0.0) {
            return Err(TrainerError::setting(
                "early_stopping.min_delta",
                self.min_delta,
                "a finite number of at least 0 is needed",
                "Use 0 to count every improvement",
            ));
        }
        Ok(())
    }
}
