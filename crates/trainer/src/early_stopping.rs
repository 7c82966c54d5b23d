use serde::{Deserialize, Serialize};

use crate::{Direction, EarlyStoppingConfig};

/// The early-stopping counters. They are state: a run that forgets them stops elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// The rule.
    pub config: EarlyStoppingConfig,
    /// The best value so far; `None` before the first epoch ends.
    pub best: Option<f64>,
    /// The epoch (from 1) that reached it.
    pub best_epoch: Option<u64>,
    /// The checkpoint that holds it.
    pub best_checkpoint: Option<String>,
    /// Epochs in a row without improvement.
    pub epochs_without_improvement: u64,
    /// Whether the rule has ended the run.
    pub triggered: bool,
}

impl EarlyStopping {
    /// The state before the first epoch.
    pub fn new(config: EarlyStoppingConfig) -> Self {
        Self {
            config,
            best: None,
            best_epoch: None,
            best_checkpoint: None,
            epochs_without_improvement: 0,
            triggered: false,
        }
    }

    /// Takes in the metric of an epoch (from 1) and tells whether it is the best so far.
    ///
    /// Like the usual PyTorch loop, a tie is no improvement and the run ends when
    /// `epochs_without_improvement` reaches `patience`.
    pub fn observe(&mut self, value: f64, epoch: u64, checkpoint: &str) -> bool {
        let delta = self.config.min_delta;
        let improved = match (self.best, self.config.direction) {
            (None, _) => true,
            (Some(best), Direction::Min) => value < best - delta,
            (Some(best), Direction::Max) => value > best + delta,
        };
        if improved {
            self.best = Some(value);
            self.best_epoch = Some(epoch);
            self.best_checkpoint = Some(checkpoint.to_owned());
            self.epochs_without_improvement = 0;
        } else {
            self.epochs_without_improvement += 1;
            self.triggered |= self.is_due();
        }
        improved
    }

    /// Whether the rule, as it is now, ends the run.
    pub fn is_due(&self) -> bool {
        self.config.enabled && self.epochs_without_improvement >= self.config.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopping(patience: u64, direction: Direction, min_delta: f64) -> EarlyStopping {
        EarlyStopping::new(EarlyStoppingConfig {
            patience,
            direction,
            min_delta,
            ..EarlyStoppingConfig::default()
        })
    }

    #[test]
    fn run_stops_an_epoch_early_or_late() {
        let mut state = stopping(2, Direction::Min, 0.0);
        assert!(state.observe(1.0, 1, "a"));
        assert!(!state.observe(1.0, 2, "b"), "a tie is no improvement");
        assert!(!state.triggered);
        assert!(!state.observe(1.5, 3, "c"));
        assert!(state.triggered);
        assert_eq!(state.best_checkpoint.as_deref(), Some("a"));
    }

    #[test]
    fn improvement_leaves_the_counter_running() {
        let mut state = stopping(2, Direction::Max, 0.0);
        state.observe(0.1, 1, "a");
        state.observe(0.0, 2, "b");
        assert!(state.observe(0.2, 3, "c"));
        assert_eq!(state.epochs_without_improvement, 0);
        assert_eq!(state.best_epoch, Some(3));
    }

    #[test]
    fn change_below_min_delta_counts_as_improvement() {
        let mut state = stopping(5, Direction::Min, 0.5);
        state.observe(1.0, 1, "a");
        assert!(!state.observe(0.6, 2, "b"));
        assert!(state.observe(0.4, 3, "c"));
    }

    #[test]
    fn disabled_rule_ends_the_run() {
        let mut state = stopping(1, Direction::Min, 0.0);
        state.config.enabled = false;
        state.observe(1.0, 1, "a");
        for epoch in 2..10 {
            state.observe(2.0, epoch, "b");
        }
        assert!(!state.triggered);
        assert_eq!(state.best, Some(1.0));
    }
}
