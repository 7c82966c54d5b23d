//! Which metrics a run has.

use std::collections::BTreeSet;

use burn::tensor::backend::AutodiffBackend;

use crate::{Task, TrainerError};

/// The metrics of every history row, if the task knows its own.
pub(crate) fn known_metrics<B: AutodiffBackend, T: Task<B>>(task: &T) -> Option<BTreeSet<String>> {
    let mut metrics = task.metrics()?;
    metrics.insert("train_loss".to_owned());
    Some(metrics)
}

/// Refuses to watch a metric that there is not.
pub(crate) fn check_monitor<'a>(
    monitor: &str,
    known: impl Iterator<Item = &'a String> + Clone,
) -> Result<(), TrainerError> {
    if known.clone().any(|name| name == monitor) {
        return Ok(());
    }
    let known: Vec<&str> = known.map(String::as_str).collect();
    Err(TrainerError::setting(
        "early_stopping.monitor",
        monitor,
        "must be a metric of the task",
        format!("Choose one of {}", known.join(", ")),
    ))
}
