use std::{error::Error, time::Instant};

use dacapo_trainer::{Event, Info, Observer, StopReason};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    clock::{host, threads, unix_ms},
    event_log::EventLog,
    signals::Signals,
};

/// Shows a run on the terminal and writes its event log.
pub(crate) struct RunObserver {
    bar: ProgressBar,
    log: EventLog,
    signals: Signals,
    started: Instant,
    /// What the run's earlier sessions recorded.
    earlier: Info,
}

impl RunObserver {
    pub(crate) fn new(log: EventLog, signals: Signals, earlier: Info) -> Self {
        Self {
            bar: ProgressBar::hidden(),
            log,
            signals,
            started: Instant::now(),
            earlier,
        }
    }

    /// Shows a bar of `steps` steps, of which `done` are done. Nothing is drawn where
    /// standard error is no terminal.
    pub(crate) fn show_bar(&mut self, done: u64, steps: u64) {
        let style = ProgressStyle::with_template(
            "{bar:30} {pos}/{len} steps  {elapsed} (left {eta})  {msg}",
        )
        .expect("the template is well formed");
        self.bar = ProgressBar::new(steps)
            .with_style(style)
            .with_position(done);
        self.bar.reset_eta();
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    pub(crate) fn note(&mut self, event: &serde_json::Value) -> std::io::Result<()> {
        self.log.append(event)
    }

    /// Seconds of this session.
    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

impl Observer for RunObserver {
    fn event(&mut self, event: &Event) -> Result<(), Box<dyn Error + Send + Sync>> {
        match event {
            Event::Step(report) => {
                tracing::debug!(
                    step = report.step,
                    epoch = report.epoch,
                    loss = report.loss,
                    grad_norm = report.grad_norm,
                    "step"
                );
                self.bar.set_position(report.step);
                if report.epoch_end.is_none() && report.step.is_multiple_of(10) {
                    let message = format!("epoch {}: loss {:.4}", report.epoch, report.loss);
                    self.bar.set_message(message);
                }
            }
            Event::Epoch(end) => {
                let row = &end.row;
                let metrics: Vec<String> = row
                    .metrics
                    .iter()
                    .map(|(name, value)| format!("{name} {value:.4}"))
                    .collect();
                let metrics = metrics.join(", ");
                tracing::info!(
                    epoch = row.epoch,
                    step = row.step,
                    best = end.improved,
                    "{metrics}"
                );
                self.bar
                    .set_message(format!("epoch {}: {metrics}", row.epoch));
                self.log.append(&json!({
                    "event": "epoch",
                    "epoch": row.epoch,
                    "step": row.step,
                    "metrics": row.metrics,
                    "best": end.improved,
                }))?;
            }
            Event::Checkpoint { name, step, best } => {
                tracing::info!(step, best, "checkpoint {name}");
                self.log.append(&json!({
                    "event": "checkpoint",
                    "name": name,
                    "step": step,
                    "best": best,
                }))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn info(&mut self) -> Info {
        Info {
            saved_unix_ms: unix_ms(),
            wall_seconds: self.earlier.wall_seconds + self.seconds(),
            host: host(),
            threads: threads(),
            sessions: self.earlier.sessions + 1,
        }
    }

    fn stop(&mut self) -> Option<StopReason> {
        self.signals.stop()
    }
}
