use std::{num::NonZeroUsize, path::Path, thread};

use dacapo_models::{Clip, Cut, read_clip_weights};
use dacapo_prefix::Place;
use dacapo_rng::RngHub;
use dacapo_trainer::{RunParts, STREAMS, SettingChange, Trainer, TrainerRecord, load_tensors};
use indicatif::ProgressBar;
use serde_json::json;

use super::task::{ClipTask, RSA_P, RSA_RHO};
use crate::{
    CliError,
    compute::Compute,
    config::{Augment, ClipHbaConfig, ModelKind, RunConfig},
    digits::BaseRecord,
    job::{Job, Verdict},
    prefix_keeping::PrefixKeeping,
    setup::{absolute, adapted, resolve_schedule, run_of},
};

/// A CLIP-HBA run, set up from its configuration.
pub struct ClipSession<B: Compute> {
    trainer: Trainer<B, ClipTask<B>>,
}

impl<B: Compute> Job<B> for ClipSession<B> {
    type Task = ClipTask<B>;

    fn start(config: &mut RunConfig, device: &B::Device) -> Result<Self, CliError> {
        check(config)?;
        if let Some(clip) = &mut config.clip {
            for (key, path) in clip.paths_mut() {
                let next = "Correct the path; docs/clip_hba.md says what it should lead to";
                *path = absolute(key, Path::new(path), next)?;
            }
        }
        let task = task::<B>(config, device)?;
        resolve_schedule(config, task.split().train().len())?;
        Ok(Self {
            trainer: set_up(config, task, device)?.start()?,
        })
    }

    fn resume(
        config: &RunConfig,
        device: &B::Device,
        record: TrainerRecord,
        allow_identity_change: bool,
    ) -> Result<Self, CliError> {
        check(config)?;
        let task = task::<B>(config, device)?;
        Ok(Self {
            trainer: set_up(config, task, device)?.resume_as(record, allow_identity_change)?,
        })
    }

    fn fork(
        config: &RunConfig,
        device: &B::Device,
        record: TrainerRecord,
        changes: Vec<SettingChange>,
        allow_identity_change: bool,
    ) -> Result<Self, CliError> {
        check(config)?;
        let task = task::<B>(config, device)?;
        let setup = set_up(config, task, device)?;
        Ok(Self {
            trainer: setup.fork(record, changes, allow_identity_change)?,
        })
    }

    fn trainer(&self) -> &Trainer<B, ClipTask<B>> {
        &self.trainer
    }

    fn trainer_mut(&mut self) -> &mut Trainer<B, ClipTask<B>> {
        &mut self.trainer
    }

    fn data(&self) -> String {
        let task = self.trainer.task();
        let (train, test) = (task.split().train().len(), task.split().test().len());
        let rsa = match task.rsa_len() {
            0 => "no behavioural RSA".to_owned(),
            images => format!("behavioural RSA of {images}"),
        };
        let mut data = format!("{train} training, {test} validation images; {rsa}");
        for (tower, cut) in ["images", "prompts"].into_iter().zip(task.cuts()) {
            if let Some((block, projection)) = cut.map(Cut::place) {
                let place = if projection { "'s out_proj" } else { "" };
                data.push_str(&format!(
                    "; {tower} are computed once up to block {block}{place}"
                ));
            }
        }
        data
    }

    fn keep_prefix(&self, keeping: &PrefixKeeping) {
        let identity = self.trainer.identity();
        self.trainer.task().keep_prefix(keeping, identity);
    }

    fn prefix_place(&self) -> Option<Place> {
        self.trainer.task().prefix_place()
    }

    fn verdict(&self, _config: &RunConfig, _best: &TrainerRecord) -> Result<Verdict, CliError> {
        let best = self.trainer.early_stopping().best_epoch;
        let row = self
            .trainer
            .history()
            .iter()
            .find(|row| Some(row.epoch) == best);
        let Some(row) = row else {
            return Ok(Verdict {
                text: String::new(),
                json: json!(null),
            });
        };
        let rsa = row.metrics.get(RSA_RHO).zip(row.metrics.get(RSA_P));
        let text = rsa.map(|(rho, p)| {
            format!("  rsa      rho {rho:.4}, p {p:.2e} of the best epoch's predictions\n")
        });
        Ok(Verdict {
            text: text.unwrap_or_default(),
            json: json!(row.metrics),
        })
    }

    fn base(
        &self,
        _config: &RunConfig,
        _best: &TrainerRecord,
        _provenance: String,
    ) -> Result<BaseRecord, CliError> {
        Err(no_base())
    }
}

pub(crate) fn no_base() -> CliError {
    CliError::input(
        "this model is no base of the built-in job",
        "Leave --save out",
    )
}

fn set_up<B: Compute>(
    config: &RunConfig,
    task: ClipTask<B>,
    device: &B::Device,
) -> Result<RunParts<B, ClipTask<B>>, CliError> {
    B::check_precision(device, config.run.precision)?;
    let mut rng = RngHub::new(config.run.seed, STREAMS);
    let model = model::<B>(config.clip_section()?, &mut rng, device)?;
    let model = model.with_precision(config.run.precision);
    let model = adapted(model, &config.adapt, &mut rng)?;
    let mut setup = run_of(config, task, model, rng, device)?;
    let version = format!(", clip {}", Clip::<B>::VERSION);
    setup.identity.numerics.push_str(&version);
    Ok(setup)
}

/// CLIP with its weights.
pub(crate) fn model<B: Compute>(
    clip: &ClipHbaConfig,
    rng: &mut RngHub,
    device: &B::Device,
) -> Result<Clip<B>, CliError> {
    let sizes = clip.model();
    if clip.is_random() {
        return Ok(Clip::init(&sizes, rng.stream("init")?, device)?);
    }
    let weights = read_clip_weights(Path::new(&clip.weights), &sizes)?;
    let model = Clip::zeros(&sizes, device)?;
    Ok(load_tensors(model, "clip.weights", &weights)?)
}

/// Refuses settings that this job would pass over.
fn check(config: &RunConfig) -> Result<(), CliError> {
    config.clip_section()?;
    let data = &config.data;
    let passed_over = [
        (config.model.kind != ModelKind::Clip, "model.kind"),
        (data.name != "things", "data.name"),
        (!data.classes.is_empty(), "data.classes"),
        (data.limit > 0, "data.limit"),
        (data.augment != Augment::None, "data.augment"),
        (config.sentences.is_some(), "the section [sentences]"),
    ];
    match passed_over.iter().find(|(wrong, _)| *wrong) {
        None => Ok(()),
        Some((_, "data.name")) => Err(CliError::input(
            format!("data.name = {:?} does not go with a CLIP", data.name),
            "Set data.name = \"things\"",
        )),
        Some((_, key)) => Err(CliError::input(
            format!("{key} has no meaning for a CLIP on THINGS"),
            "Leave it out",
        )),
    }
}

fn task<B: Compute>(config: &RunConfig, device: &B::Device) -> Result<ClipTask<B>, CliError> {
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    // Drawn on terminals only.
    let bar = ProgressBar::new(0).with_message("images");
    let progress = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let seed = config.data.split_seed;
    let task = ClipTask::new(
        config.clip_section()?,
        seed,
        threads,
        device.clone(),
        progress,
    );
    bar.finish_and_clear();
    task
}
