use std::path::Path;

use dacapo_models::{ConvNet, Vit};
use dacapo_trainer::{Info, Observer, Perturbation, RunFolder, SettingChange, TrainerRecord};
use serde_json::json;

use super::{
    args::{ForkArgs, ForkPoint, LengthUnit},
    event_log::EventLog,
    observer::RunObserver,
    on_device::{OnDevice, on_device},
    output::{print, print_json},
    run_dir,
    signals::Signals,
};
use crate::{
    CliError,
    clip_hba::ClipSession,
    compute::Compute,
    config::{ModelKind, RunConfig, load_config},
    digits::Session,
    job::Job,
    setup::steps_per_epoch,
};

/// What to branch off, and how.
struct Fork<'a> {
    args: &'a ForkArgs,
    config: RunConfig,
    record: TrainerRecord,
    changes: Vec<SettingChange>,
}

pub(crate) fn fork(args: &ForkArgs) -> Result<i32, CliError> {
    let parent = run_dir::read_config(&args.run)?;
    let folder = RunFolder::new(&args.run);
    let record = folder.load(&checkpoint(&folder, &args.at)?)?;
    run_dir::check_unchanged(&parent, &record.run.config)?;
    run_dir::choose(Some(&args.out), "fork")?;

    let before = parent.shared_json();
    let mut config = load_config(parent, None, &args.set)?;
    if let Some(kind) = args.perturb {
        let steps = match args.unit {
            LengthUnit::Step => args.length,
            LengthUnit::Epoch => args
                .length
                .saturating_mul(steps_per_epoch(&config, record.data.len as usize)),
        };
        config.perturbation = Some(Perturbation {
            kind,
            first_step: record.run.global_step + 1,
            steps,
            seed: args.perturb_seed,
            factor: args.factor,
        });
    }
    let changes = run_dir::changes(&before, &config.shared_json());
    let work = Fork {
        args,
        config,
        record,
        changes,
    };
    on_device(args.device, true, work)
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

impl OnDevice for Fork<'_> {
    fn run<B: Compute>(self, device: &B::Device) -> Result<i32, CliError> {
        match self.config.model.kind {
            ModelKind::Vit => branch::<B, Session<B, Vit<B>>>(self, device),
            ModelKind::ConvNet => branch::<B, Session<B, ConvNet<B>>>(self, device),
            ModelKind::Clip => branch::<B, ClipSession<B>>(self, device),
        }
    }
}

fn branch<B: Compute, J: Job<B>>(fork: Fork<'_>, device: &B::Device) -> Result<i32, CliError> {
    let Fork {
        args,
        config,
        record,
        changes,
    } = fork;
    let told_changes = changes.clone();
    let parent = record.run.run_id.clone();
    let job = J::fork(&config, device, record, changes, args.allow_identity_change)?;
    let trainer = job.trainer();

    run_dir::create(&args.out, &config)?;
    let folder = RunFolder::new(&args.out);
    let log = EventLog::open(&args.out).map_err(|error| cannot_log(&args.out, &error))?;
    let mut observer = RunObserver::new(log, Signals::listen()?, Info::default());
    let name = trainer.checkpoint_name();
    let best = trainer.early_stopping().best_checkpoint.clone();
    // The best one so far belongs to the branch, too, if the parent still has it.
    let from = RunFolder::new(&args.run);
    if let Some(best) = best.as_ref().filter(|best| **best != name)
        && from.checkpoint(best)?.is_file()
    {
        folder.take_best(&from, best)?;
    }
    let record = trainer.to_record(observer.info())?;
    let hash = record.clone().state_hash::<B::InnerBackend>()?;
    folder.save::<B::InnerBackend>(&name, record, best.as_ref() == Some(&name))?;
    let told = json!({
        "event": "fork",
        "run": args.out,
        "run_id": trainer.run_id(),
        "parent": parent,
        "step": trainer.global_step(),
        "epochs": trainer.epoch(),
        "changes": told_changes,
        "state_hash": hash,
    });
    observer
        .note(&told)
        .map_err(|error| cannot_log(&args.out, &error))?;
    if args.json {
        print_json(&told)?;
        return Ok(0);
    }
    let mut out = format!(
        "run {} in {}\n  branched off run {parent} after step {} (epoch {})\n",
        trainer.run_id(),
        args.out.display(),
        trainer.global_step(),
        trainer.epoch(),
    );
    if let Some(perturbation) = &config.perturbation {
        out.push_str(&format!("  perturbed    {perturbation}\n"));
    }
    match told_changes.is_empty() {
        true => out.push_str("  changed      nothing\n"),
        false => {
            for change in &told_changes {
                out.push_str(&format!(
                    "  changed      {}: {} -> {}\n",
                    change.key, change.from, change.to
                ));
            }
        }
    }
    let out_dir = args.out.display();
    out.push_str(&format!(
        "  state        {hash}\nnext:\n  dacapo resume {out_dir}\n"
    ));
    print(&out)?;
    Ok(0)
}

fn cannot_log(root: &Path, error: &std::io::Error) -> CliError {
    CliError::input(
        format!("cannot write {}/events.jsonl: {error}", root.display()),
        "Free space or fix the folder's permissions, then branch off into another --out",
    )
}
