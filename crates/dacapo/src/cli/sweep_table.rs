use dacapo_trainer::TrainerRecord;
use serde::Serialize;

use crate::{CliError, config::SweepPoint};

/// One row a branch, in the plan's order.
pub(super) struct SweepTable {
    pub(super) rows: Vec<SweepRow>,
}

/// What became of a branch, beside its baseline.
#[derive(Serialize)]
pub(super) struct SweepRow {
    branch: String,
    at: u64,
    kind: &'static str,
    seed: u64,
    epochs: u64,
    stopped_early: bool,
    best_value: Option<f64>,
    best_epoch: Option<u64>,
    /// The monitored metric after the last epoch.
    last_value: f64,
    /// How much that is above the baseline's after the same epoch, in % of it; nothing if the
    /// baseline did not get that far.
    last_difference_percent: Option<f64>,
    /// The largest such difference after the branch point.
    largest_difference_percent: Option<f64>,
    run_id: String,
}

/// The row of a branch in its last state.
pub(super) fn row(
    point: &SweepPoint,
    record: &TrainerRecord,
    baseline: &TrainerRecord,
) -> Result<SweepRow, CliError> {
    let stopping = &record.early_stopping;
    let monitor = &stopping.config.monitor;
    let value = |record: &TrainerRecord, epoch: usize| {
        let row = record.run.history.get(epoch)?;
        row.metrics.get(monitor).copied()
    };
    let difference = |epoch: usize| {
        let (ours, theirs) = (value(record, epoch)?, value(baseline, epoch)?);
        Some(match ours == theirs {
            true => 0.0,
            false => 100.0 * (ours - theirs) / theirs.abs(),
        })
    };
    let epochs = record.run.history.len();
    let Some(last_value) = epochs.checked_sub(1).and_then(|last| value(record, last)) else {
        return Err(CliError::input(
            format!("the branch {} has no history", point.name()),
            "Give the same command again",
        ));
    };
    let differences = (point.at as usize..epochs).filter_map(difference);
    let largest = differences.fold(None, |largest: Option<f64>, now| match largest {
        Some(largest) if largest.abs() >= now.abs() => Some(largest),
        _ => Some(now),
    });
    Ok(SweepRow {
        branch: point.name(),
        at: point.at,
        kind: point.kind.name(),
        seed: point.seed,
        epochs: record.data.epoch,
        stopped_early: stopping.triggered,
        best_value: stopping.best,
        best_epoch: stopping.best_epoch,
        last_value,
        last_difference_percent: difference(epochs - 1),
        largest_difference_percent: largest,
        run_id: record.run.run_id.clone(),
    })
}

impl SweepTable {
    /// Numbers in the shortest form that reads back to the same bits.
    pub(super) fn csv(&self) -> String {
        let mut out = String::from(
            "branch,at,kind,seed,epochs,stopped_early,best_value,best_epoch,last_value,\
             last_difference_percent,largest_difference_percent,run_id\n",
        );
        for row in &self.rows {
            let cells = [
                row.branch.clone(),
                row.at.to_string(),
                row.kind.to_owned(),
                row.seed.to_string(),
                row.epochs.to_string(),
                row.stopped_early.to_string(),
                text(row.best_value),
                text(row.best_epoch),
                row.last_value.to_string(),
                text(row.last_difference_percent),
                text(row.largest_difference_percent),
                row.run_id.clone(),
            ];
            out.push_str(&format!("{}\n", cells.join(",")));
        }
        out
    }

    pub(super) fn markdown(&self) -> String {
        let mut out = String::from(
            "| branched off after epoch | perturbation | seed | epochs | best | last | beside the \
             baseline | at most |\n|---|---|---|---|---|---|---|---|\n",
        );
        let percent = |value: Option<f64>| match value {
            Some(0.0) => "0 %".to_owned(),
            Some(value) => format!("{value:+.2} %"),
            None => String::new(),
        };
        for row in &self.rows {
            let ended = if row.stopped_early { ", early" } else { "" };
            let best = match (row.best_value, row.best_epoch) {
                (Some(value), Some(epoch)) => format!("{value:.5} ({epoch})"),
                _ => String::new(),
            };
            out.push_str(&format!(
                "| {} | {} | {} | {}{ended} | {best} | {:.5} | {} | {} |\n",
                row.at,
                row.kind,
                row.seed,
                row.epochs,
                row.last_value,
                percent(row.last_difference_percent),
                percent(row.largest_difference_percent),
            ));
        }
        out
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
