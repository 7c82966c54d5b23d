//! What a run's rules made of its history, a value for every row.

use crate::{ReportRun, ReportStopping, family::Family};

/// Where the counting of epochs without improvement stands.
#[derive(Clone, Copy, Default)]
struct Counter {
    best: Option<f64>,
    count: u64,
}

impl Counter {
    /// As the trainer counts: a tie is no improvement.
    fn observe(&mut self, rule: &ReportStopping, value: f64) {
        let improved = match self.best {
            None => true,
            Some(best) if rule.larger_is_better => value > best + rule.min_delta,
            Some(best) => value < best - rule.min_delta,
        };
        if improved {
            self.best = Some(value);
            self.count = 0;
        } else {
            self.count += 1;
        }
    }
}

/// Epoch and epochs in a row without improvement. What a branch shares with its parent was
/// counted by the parent's rule.
pub(crate) fn without_improvement(runs: &[ReportRun], family: &Family) -> Vec<Vec<(u64, f64)>> {
    let mut counters: Vec<Vec<Counter>> = vec![Vec::new(); runs.len()];
    for &run in &family.order {
        let rows = &runs[run].rows;
        let mut counted: Vec<Counter> = match family.parents[run] {
            None => Vec::new(),
            Some(origin) => {
                let shared = family.shared_rows(run, runs);
                counters[origin.run].iter().copied().take(shared).collect()
            }
        };
        let mut counter = counted.last().copied().unwrap_or_default();
        for row in &rows[counted.len().min(rows.len())..] {
            let rule = &runs[run].stopping;
            if let Some(value) = row.metrics.get(&rule.monitor) {
                counter.observe(rule, *value);
            }
            counted.push(counter);
        }
        counters[run] = counted;
    }
    let track = |(run, counters): (&ReportRun, Vec<Counter>)| {
        let rows = run.rows.iter().zip(counters);
        rows.map(|(row, counter)| (row.epoch, counter.count as f64))
            .collect()
    };
    runs.iter().zip(counters).map(track).collect()
}

/// Epoch and learning rate. What a branch shares with its parent had the parent's.
pub(crate) fn learning_rate(runs: &[ReportRun], family: &Family) -> Vec<Vec<(u64, f64)>> {
    let mut tracks: Vec<Vec<(u64, f64)>> = vec![Vec::new(); runs.len()];
    for &run in &family.order {
        let rows = &runs[run].rows;
        let mut track: Vec<(u64, f64)> = match family.parents[run] {
            None => Vec::new(),
            Some(origin) => {
                let shared = family.shared_rows(run, runs);
                tracks[origin.run].iter().copied().take(shared).collect()
            }
        };
        let rate = runs[run].learning_rate;
        let own = rows[track.len().min(rows.len())..].iter();
        track.extend(own.map(|row| (row.epoch, rate * row.lr_factor)));
        tracks[run] = track;
    }
    tracks
}
