use std::path::{Path, PathBuf};

use dacapo_trainer::{
    Info, Observer, Perturbation, PerturbationKind, RunFolder, SettingChange, TrainerRecord,
};
use serde_json::{Value, json};

use super::{
    args::{ForkArgs, ForkPoint, LengthUnit},
    observer::RunObserver,
    on_device::{OnDevice, on_device},
    on_job::{OnJob, on_job},
    output::{print, print_json},
    run_dir,
    summary::program,
};
use crate::{
    CliError,
    compute::Compute,
    config::{RunConfig, load_config},
    job::Job,
    setup::steps_per_epoch,
};

/// A branch to make: what, where, and under which settings.
pub(super) struct Branch {
    run: PathBuf,
    /// The checkpoint of `run`.
    at: String,
    out: PathBuf,
    /// Where it will be in the end.
    home: PathBuf,
    config: RunConfig,
    record: TrainerRecord,
    changes: Vec<SettingChange>,
    allow_identity_change: bool,
}

/// A perturbation as a branch is asked to have it.
pub(super) struct Window {
    pub(super) kind: PerturbationKind,
    pub(super) length: u64,
    pub(super) unit: LengthUnit,
    pub(super) seed: u64,
    pub(super) factor: Option<f64>,
}

pub(crate) fn fork(args: &ForkArgs) -> Result<i32, CliError> {
    run_dir::free(&args.out)?;
    let window = args.perturb.map(|kind| Window {
        kind,
        length: args.length,
        unit: args.unit,
        seed: args.perturb_seed,
        factor: args.factor,
    });
    let mut branch = Branch::plan(&args.run, &args.at, &args.out, window, &args.set)?;
    branch.allow_identity_change = args.allow_identity_change;
    on_device(args.device, true, Fork { args, branch })
}

/// The command at work.
struct Fork<'a> {
    args: &'a ForkArgs,
    branch: Branch,
}

impl OnDevice for Fork<'_> {
    fn run<B: Compute>(self, device: &B::Device) -> Result<i32, CliError> {
        on_job::<B, _>(self.branch.config.model.kind, device, self)
    }
}

impl OnJob for Fork<'_> {
    type Out = i32;

    fn run<B: Compute, J: Job<B>>(self, device: &B::Device) -> Result<i32, CliError> {
        let perturbation = self.branch.config.perturbation.clone();
        let (_, told) = self.branch.make::<B, J>(device)?;
        match self.args.json {
            true => print_json(&told)?,
            false => print(&text(&told, perturbation.as_ref()))?,
        }
        Ok(0)
    }
}

impl Branch {
    /// A branch of `run` at a kept checkpoint, to be made in the folder `out`.
    pub(super) fn plan(
        run: &Path,
        at: &ForkPoint,
        out: &Path,
        window: Option<Window>,
        set: &[String],
    ) -> Result<Self, CliError> {
        let parent = run_dir::read_config(run)?;
        let folder = RunFolder::new(run);
        let at = checkpoint(&folder, at)?;
        let record = folder.load(&at)?;
        run_dir::check_unchanged(&parent, &record.run.config)?;
        let before = parent.shared_json();
        let mut config = load_config(parent, None, set)?;
        if let Some(window) = window {
            let steps = match window.unit {
                LengthUnit::Step => window.length,
                LengthUnit::Epoch => window
                    .length
                    .saturating_mul(steps_per_epoch(&config, record.data.len as usize)),
            };
            config.perturbation = Some(Perturbation {
                kind: window.kind,
                first_step: record.run.global_step + 1,
                steps,
                seed: window.seed,
                factor: window.factor,
            });
        }
        Ok(Self {
            run: run.to_owned(),
            at,
            out: out.to_owned(),
            home: out.to_owned(),
            changes: run_dir::changes(&before, &config.shared_json()),
            config,
            record,
            allow_identity_change: false,
        })
    }

    /// Its folder will be moved there.
    pub(super) fn will_be_at(&mut self, home: &Path) {
        self.home = home.to_owned();
    }

    /// The settings of the branch.
    pub(super) fn config(&self) -> &RunConfig {
        &self.config
    }

    /// Makes the run folder; gives the branch, and what to tell of it.
    pub(super) fn make<B: Compute, J: Job<B>>(
        self,
        device: &B::Device,
    ) -> Result<(J, Value), CliError> {
        let Self {
            run,
            at,
            out,
            home,
            config,
            record,
            changes,
            allow_identity_change,
        } = self;
        let told_changes = changes.clone();
        let parent = record.run.run_id.clone();
        let job = J::fork(&config, device, record, changes, allow_identity_change)?;
        let trainer = job.trainer();

        // Before there is a branch, so that none is ever without.
        let from = RunFolder::new(&run);
        let home = std::path::absolute(&home).unwrap_or(home);
        let pinned = from.pin(&at, trainer.run_id(), &home);
        let not_pinned = pinned.err().map(|error| error.to_string());
        run_dir::create(&out, &config)?;
        let folder = run_dir::open(&out)?;
        let mut observer = RunObserver::open(&out, trainer, Info::default())?;
        let name = trainer.checkpoint_name();
        let best = trainer.early_stopping().best_checkpoint.clone();
        // The best one so far belongs to the branch, too, if the parent still has it.
        if let Some(best) = best.as_ref().filter(|best| **best != name)
            && from.checkpoint(best)?.is_file()
        {
            folder.take_best(&from, best)?;
        }
        let record = trainer.to_record(observer.info())?;
        let hash = record.clone().state_hash::<B::InnerBackend>()?;
        folder.save::<B::InnerBackend>(&name, record, best.as_ref() == Some(&name))?;
        let mut told = json!({
            "event": "fork",
            "run_id": trainer.run_id(),
            "parent": parent,
            "step": trainer.global_step(),
            "epochs": trainer.epoch(),
            "changes": told_changes,
            "parent_checkpoint": at,
            "not_pinned": not_pinned,
            "state_hash": hash,
        });
        // Not where it is: a folder can be moved, and a sweep moves it.
        observer.note(&told)?;
        told["run"] = json!(out);
        Ok((job, told))
    }
}

/// The kept checkpoint at this point.
fn checkpoint(folder: &RunFolder, at: &ForkPoint) -> Result<String, CliError> {
    let kept = folder.checkpoints()?;
    let found = match at {
        ForkPoint::Latest => folder.latest()?,
        ForkPoint::Best => folder.best()?,
        ForkPoint::Epoch(0) => kept.iter().find(|(_, step, _)| *step == 0).map(name),
        ForkPoint::Epoch(epoch) => {
            let ended = kept.iter().find(|(ended, ..)| *ended == Some(*epoch));
            ended.map(name)
        }
        ForkPoint::Step(step) => kept.iter().find(|(_, kept, _)| kept == step).map(name),
    };
    found.ok_or_else(|| {
        let (epochs, others): (Vec<_>, Vec<_>) =
            kept.iter().partition(|(epoch, ..)| epoch.is_some());
        let epochs: Vec<String> = epochs
            .iter()
            .filter_map(|(epoch, ..)| epoch.map(|epoch| epoch.to_string()))
            .collect();
        let steps: Vec<String> = others
            .iter()
            .map(|(_, step, _)| format!("step:{step}"))
            .collect();
        CliError::input(
            format!(
                "{} keeps no checkpoint at {at:?}; there are the epochs {} and {}",
                folder.root().display(),
                epochs.join(", "),
                steps.join(", ")
            ),
            "Choose one of them, or run it anew with [checkpoint] every_epochs or every_steps set",
        )
    })
}

fn name((_, _, name): &(Option<u64>, u64, String)) -> String {
    name.clone()
}

fn text(told: &Value, perturbation: Option<&Perturbation>) -> String {
    let word = |key: &str| told[key].as_str().unwrap_or_default();
    let (out, hash) = (word("run"), word("state_hash"));
    let mut text = format!(
        "run {} in {out}\n  branched off run {} after step {} (epoch {})\n",
        word("run_id"),
        word("parent"),
        told["step"],
        told["epochs"],
    );
    if let Some(perturbation) = perturbation {
        text.push_str(&format!("  perturbed    {perturbation}\n"));
    }
    let changes = told["changes"].as_array().map_or(&[][..], Vec::as_slice);
    for change in changes {
        if change["key"] == "perturbation" {
            continue;
        }
        let word = |key: &str| change[key].as_str().unwrap_or_default();
        let (key, from, to) = (word("key"), word("from"), word("to"));
        text.push_str(&format!("  changed      {key}: {from} -> {to}\n"));
    }
    if changes.is_empty() {
        text.push_str("  changed      nothing\n");
    }
    let at = word("parent_checkpoint");
    text.push_str(&match told["not_pinned"].as_str() {
        None => format!("  kept         {at} of the parent, while pins/{at}@... is there\n"),
        Some(error) => format!("  not kept     {at} of the parent may be removed: {error}\n"),
    });
    text.push_str(&format!(
        "  state        {hash}\nnext:\n  {} resume {out}\n",
        program()
    ));
    text
}
