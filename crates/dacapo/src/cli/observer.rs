use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Instant,
};

use burn::tensor::backend::AutodiffBackend;
use dacapo_trainer::{Event, Info, Observer, StopReason, Task, Trainer};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    clock::{host, threads, unix_ms},
    event_log::EventLog,
    signals::Signals,
    tensor_board::TensorBoardLog,
};
use crate::CliError;

/// Shows a run on the terminal and writes its event log.
pub(crate) struct RunObserver {
    bar: ProgressBar,
    log: EventLog,
    board: TensorBoardLog,
    signals: Signals,
    started: Instant,
    /// What the run's earlier sessions recorded.
    earlier: Info,
    root: PathBuf,
}

impl RunObserver {
    /// Observes `trainer`, whose run is in the folder `root` and whose earlier sessions have
    /// recorded `earlier`.
    pub(crate) fn open<B: AutodiffBackend, T: Task<B>>(
        root: &Path,
        trainer: &Trainer<B, T>,
        earlier: Info,
    ) -> Result<Self, CliError> {
        let (step, lr) = (trainer.global_step(), trainer.settings().optimizer.lr());
        let cannot_log = |error| cannot_log(root, error);
        Ok(Self {
            bar: ProgressBar::hidden(),
            log: EventLog::open(root, step).map_err(cannot_log)?,
            board: TensorBoardLog::open(root, step, lr, trainer.history()).map_err(cannot_log)?,
            signals: Signals::listen()?,
            started: Instant::now(),
            earlier,
            root: root.to_owned(),
        })
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

    pub(crate) fn note(&mut self, event: &serde_json::Value) -> Result<(), CliError> {
        let noted = self.log.append(event);
        noted.map_err(|error| cannot_log(&self.root, error))
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
                self.board.epoch(row)?;
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

fn cannot_log(root: &Path, error: std::io::Error) -> CliError {
    CliError::input(
        format!(
            "cannot write events.jsonl and tensorboard/ in {}: {error}",
            root.display()
        ),
        "Free space or fix the folder's permissions, then give the command again",
    )
}
