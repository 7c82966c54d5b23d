use std::{fmt::Write, path::Path};

use dacapo_optim::ParamSpec;
use dacapo_prefix::Place;
use dacapo_trainer::{Outcome, StopReason, Trainer};
use serde_json::{Value, json};

use super::launch::RankReport;
use crate::{
    compute::Compute,
    config::{AdaptMode, RunConfig},
    job::{Job, Verdict},
};

/// What is about to run.
pub(crate) fn announcement<B: Compute, J: Job<B>>(
    root: &Path,
    job: &J,
    config: &RunConfig,
) -> String {
    let trainer = job.trainer();
    let trained: usize = trainer.trainable().values().map(ParamSpec::len).sum();
    let what = match config.adapt.mode {
        AdaptMode::Full => "every parameter".to_owned(),
        AdaptMode::Dora => {
            let layers = trainer
                .trainable()
                .keys()
                .filter(|path| path.ends_with(".adapter.lora_a"))
                .count();
            let kind = match config.adapt.flavour.has_magnitude() {
                true => "DoRA",
                false => "LoRA",
            };
            let rank = config.adapt.rank;
            format!("{kind} of rank {rank} on {layers} linear layers")
        }
    };
    let mut out = format!(
        "run {} in {}\n  trains   {what}: {trained} numbers\n  data     {}\n",
        trainer.run_id(),
        root.display(),
        job.data()
    );
    let identity = trainer.identity();
    if identity.device != "cpu" {
        let (device, precision) = (&identity.device, &identity.precision);
        out.push_str(&format!(
            "  computes on {device}, matrix products in {precision}\n"
        ));
    }
    if trainer.global_step() > 0 {
        let (step, epoch) = (trainer.global_step(), trainer.epoch() + 1);
        out.push_str(&format!("  goes on  after step {step} (epoch {epoch})\n"));
    }
    out
}

/// What a session of training ended with.
pub(crate) struct Summary<'a, B: Compute, J: Job<B>> {
    pub(crate) root: &'a Path,
    pub(crate) outcome: Outcome,
    pub(crate) already_finished: bool,
    pub(crate) steps_here: u64,
    pub(crate) seconds: f64,
    /// Of the best epoch.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) state_hash: String,
    pub(crate) saved: Option<&'a Path>,
    pub(crate) prefix: Option<Place>,
    /// Of every rank, where there are several.
    pub(crate) ranks: &'a [RankReport],
    pub(crate) trainer: &'a Trainer<B, J::Task>,
    pub(crate) config: &'a RunConfig,
}

impl<B: Compute, J: Job<B>> Summary<'_, B, J> {
    pub(crate) fn json(&self) -> Value {
        let stopping = self.trainer.early_stopping();
        let mut json = json!({
            "run": self.root,
            "run_id": self.trainer.run_id(),
            "outcome": outcome_key(self.outcome),
            "epochs": self.trainer.epoch(),
            "step": self.trainer.global_step(),
            "best_epoch": stopping.best_epoch,
            "best_value": stopping.best,
            "best_checkpoint": stopping.best_checkpoint,
            "test": self.verdict.as_ref().map(|verdict| &verdict.json),
            "state_hash": self.state_hash,
            "seconds": self.seconds,
        });
        if !self.ranks.is_empty() {
            json["ranks"] = json!(self.ranks);
        }
        json
    }

    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out)
            .expect("writing to a string cannot fail");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let root = self.root.display();
        let program = program();
        let (epoch, step) = (self.trainer.epoch(), self.trainer.global_step());
        let ending = match self.outcome {
            Outcome::Completed => "all epochs done",
            Outcome::StoppedEarly => "stopped early: no further improvement",
            Outcome::Stopped(StopReason::Interrupt) => "stopped by Ctrl-C",
            Outcome::Stopped(StopReason::Terminate) => "stopped by SIGTERM",
            _ => "stopped as asked",
        };
        if self.already_finished {
            writeln!(out, "nothing to do: the run had ended ({ending})")?;
        }
        writeln!(
            out,
            "{ending}; {epoch} epochs and {step} steps, {} of them now, in {:.1} s",
            self.steps_here, self.seconds
        )?;
        let stopping = self.trainer.early_stopping();
        if let (Some(best), Some(best_epoch)) = (stopping.best, stopping.best_epoch) {
            let monitor = &stopping.config.monitor;
            writeln!(out, "  best     epoch {best_epoch}, {monitor} {best:.4}")?;
        }
        if let Some(verdict) = &self.verdict {
            out.push_str(&verdict.text);
        }
        if let Some(path) = self.saved {
            writeln!(out, "  base     saved to {}", path.display())?;
        }
        if let Some(place) = self.prefix {
            let place = match place {
                Place::Device => "kept on the device",
                Place::Host => "kept in the host's memory",
                Place::File => "read from a file in every step",
                Place::Nowhere => "computed in every step: larger than any memory for it",
            };
            writeln!(out, "  prefix   {place}")?;
        }
        if let (Some(first), size @ 2..) = (self.ranks.first(), self.ranks.len()) {
            let peak = self.ranks.iter().map(|rank| rank.peak_bytes).max();
            let sent: u64 = self.ranks.iter().map(|rank| rank.traffic.sent_bytes).sum();
            writeln!(
                out,
                "  ranks    {size}, at most {:.0} MB of memory each; {:.1} MB of messages, waited for \
                 {:.1} s",
                peak.unwrap_or(0) as f64 / 1e6,
                sent as f64 / 1e6,
                first.traffic.seconds
            )?;
        }
        writeln!(out, "  state    {}", self.state_hash)?;
        writeln!(out, "next:")?;
        match self.outcome {
            Outcome::Stopped(_) => {
                writeln!(
                    out,
                    "  {program} resume {root}     goes on to the same bits"
                )?;
            }
            _ => {
                let half = (step / 2).max(1);
                // A run's own configuration can be trained again.
                let own = self.config.clip.is_some() || self.config.sentences.is_some();
                let (train, of) = match own {
                    true => (format!("train {root}/config.toml"), ""),
                    false => ("train".to_owned(), " (default settings)"),
                };
                writeln!(
                    out,
                    "  {program} inspect {root}    what the checkpoint holds"
                )?;
                // A branch or an import is not made by training its configuration.
                let made_here = self.trainer.settings().parent.is_none();
                if self.saved.is_none() && made_here {
                    writeln!(
                        out,
                        "  the same run in two halves, and the proof that no bit differs{of}:\n    \
                         {program} {train} --out {root}-halves --stop-after-step {half}\n    \
                         {program} resume {root}-halves\n    \
                         {program} verify {root} {root}-halves"
                    )?;
                }
            }
        }
        Ok(())
    }
}

fn outcome_key(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::StoppedEarly => "stopped_early",
        Outcome::Stopped(StopReason::Interrupt) => "interrupted",
        Outcome::Stopped(StopReason::Terminate) => "terminated",
        _ => "stopped",
    }
}

/// How the user called this program.
pub(crate) fn program() -> &'static str {
    match std::env::var_os("CARGO") {
        Some(_) => "cargo run --release --",
        None => "dacapo",
    }
}
