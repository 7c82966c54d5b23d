use std::path::Path;

use burn::module::AutodiffModule;
use dacapo_models::{Bert, BertConfig, read_bert_config, read_bert_weights};
use dacapo_prefix::Place;
use dacapo_rng::RngHub;
use dacapo_trainer::{
    RunParts, STREAMS, SettingChange, Trainer, TrainerRecord, load_tensors, module_tensors,
};
use serde_json::json;

use super::{Figures, SentenceRegressor, SentenceTask, task::folder_of};
use crate::{
    CliError,
    compute::Compute,
    config::{Augment, ModelKind, RunConfig, SentencesConfig},
    digits::BaseRecord,
    job::{Job, Verdict},
    prefix_keeping::PrefixKeeping,
    setup::{absolute, adapted, resolve_schedule, run_of},
};

/// Penalties that the ridge regression chooses among.
const ALPHAS: [f64; 13] = [
    0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 100.0, 150.0, 200.0, 300.0, 1000.0, 3000.0,
];

/// A run of a BERT on the names of THINGS' objects, set up from its configuration.
pub struct SentenceSession<B: Compute> {
    trainer: Trainer<B, SentenceTask<B>>,
}

impl<B: Compute> Job<B> for SentenceSession<B> {
    type Task = SentenceTask<B>;

    fn start(config: &mut RunConfig, device: &B::Device) -> Result<Self, CliError> {
        check(config)?;
        if let Some(sentences) = &mut config.sentences {
            for (key, path) in sentences.paths_mut() {
                let next = "Correct the path; docs/sentences.md says what it should lead to";
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
        Ok(Self {
            trainer: set_up(config, task::<B>(config, device)?, device)?
                .resume_as(record, allow_identity_change)?,
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
        Ok(Self {
            trainer: set_up(config, task::<B>(config, device)?, device)?.fork(
                record,
                changes,
                allow_identity_change,
            )?,
        })
    }

    fn trainer(&self) -> &Trainer<B, SentenceTask<B>> {
        &self.trainer
    }

    fn trainer_mut(&mut self) -> &mut Trainer<B, SentenceTask<B>> {
        &mut self.trainer
    }

    fn keep_prefix(&self, keeping: &PrefixKeeping) {
        let identity = self.trainer.identity();
        self.trainer.task().keep_prefix(keeping, identity);
    }

    fn prefix_place(&self) -> Option<Place> {
        self.trainer.task().prefix_place()
    }

    fn data(&self) -> String {
        let task = self.trainer.task();
        let (train, test) = (task.split().train().len(), task.split().test().len());
        let rsa = match task.rsa_len() {
            0 => "no behavioural RSA".to_owned(),
            objects => format!("behavioural RSA of {objects}"),
        };
        format!("names of {train} objects to train on, {test} to validate; {rsa}")
    }

    fn verdict(&self, config: &RunConfig, best: &TrainerRecord) -> Result<Verdict, CliError> {
        let task = self.trainer.task();
        let failed =
            |error| CliError::input(format!("the best model cannot be judged: {error}"), NEXT);
        let mut rng = RngHub::new(config.run.seed, STREAMS);
        // Without adapters: those of `clip-hba` change what the encoder gives from the start.
        let plain = published::<B>(config, task, &mut rng, self.trainer.device())?;
        let frozen = plain.valid();
        let (alpha, ridge) = task.ridge(&frozen.encoder, &ALPHAS).map_err(failed)?;
        // The head begins with one prediction for all, which no RSA can compare.
        let start = task.valid_figures(&frozen).map_err(failed)?;
        let before = adapted(plain, &config.adapt, &mut rng)?;
        let mut tensors = module_tensors(&before.valid());
        tensors.extend(best.adapters.clone());
        tensors.extend(best.buffers.clone());
        let after = load_tensors(before, "best", &tensors)?;
        let after = task.figures(&after.valid()).map_err(failed)?;
        let text = format!(
            "{}{}{}",
            line("before", &start, ""),
            line(
                "ridge",
                &ridge,
                &format!(", alpha {alpha}, on the frozen embeddings")
            ),
            line("trained", &after, ""),
        );
        Ok(Verdict {
            text,
            json: json!({
                "before": start,
                "ridge": { "alpha": alpha, "figures": ridge },
                "trained": after,
            }),
        })
    }

    fn base(
        &self,
        _config: &RunConfig,
        _best: &TrainerRecord,
        _provenance: String,
    ) -> Result<BaseRecord, CliError> {
        Err(crate::clip_hba::no_base())
    }
}

const NEXT: &str = "See that the run folder is whole: `dacapo verify DIR`";

/// A line of the closing summary.
fn line(what: &str, figures: &Figures, more: &str) -> String {
    let rsa = figures.rsa.map(|[rho, _]| format!(", rsa rho {rho:.4}"));
    format!(
        "  {what:<8} loss {:.2}, R2 mean {:.4}, median {:.4}{}{more}\n",
        figures.valid_loss,
        figures.r2_mean(),
        figures.r2_median(),
        rsa.unwrap_or_default()
    )
}

pub(crate) fn task<B: Compute>(
    config: &RunConfig,
    device: &B::Device,
) -> Result<SentenceTask<B>, CliError> {
    let sentences = config.sentences_section()?;
    let sizes = sizes(sentences)?;
    SentenceTask::new(sentences, &sizes, config.data.split_seed, device.clone())
}

fn set_up<B: Compute>(
    config: &RunConfig,
    task: SentenceTask<B>,
    device: &B::Device,
) -> Result<RunParts<B, SentenceTask<B>>, CliError> {
    B::check_precision(device, config.run.precision)?;
    let mut rng = RngHub::new(config.run.seed, STREAMS);
    let model = published(config, &task, &mut rng, device)?;
    let model = adapted(model, &config.adapt, &mut rng)?;
    let mut setup = run_of(config, task, model, rng, device)?;
    let version = format!(", bert {}", Bert::<B>::VERSION);
    setup.identity.numerics.push_str(&version);
    Ok(setup)
}

/// The encoder with its weights and a head, without adapters.
fn published<B: Compute>(
    config: &RunConfig,
    task: &SentenceTask<B>,
    rng: &mut RngHub,
    device: &B::Device,
) -> Result<SentenceRegressor<B>, CliError> {
    let encoder = encoder::<B>(config.sentences_section()?, rng, device)?;
    let model = SentenceRegressor::new(encoder, &task.target_means(), device);
    Ok(model.with_precision(config.run.precision))
}

/// The sizes of the encoder, and its dropout.
pub(crate) fn sizes(sentences: &SentencesConfig) -> Result<BertConfig, CliError> {
    match sentences.sizes()? {
        Some(sizes) => Ok(sizes),
        None => {
            let folder = folder_of(&sentences.weights);
            Ok(sentences.with_dropout(read_bert_config(Path::new(&folder))?))
        }
    }
}

/// A BERT with its weights.
pub(crate) fn encoder<B: Compute>(
    sentences: &SentencesConfig,
    rng: &mut RngHub,
    device: &B::Device,
) -> Result<Bert<B>, CliError> {
    let sizes = sizes(sentences)?;
    if sentences.is_random() {
        return Ok(Bert::init(&sizes, rng.stream("init")?, device)?);
    }
    let weights = read_bert_weights(Path::new(&sentences.weights), &sizes)?;
    let model = Bert::zeros(&sizes, device)?;
    Ok(load_tensors(model, "sentences.weights", &weights)?)
}

/// Refuses settings that this job would pass over.
fn check(config: &RunConfig) -> Result<(), CliError> {
    config.sentences_section()?;
    let data = &config.data;
    let passed_over = [
        (config.model.kind != ModelKind::Bert, "model.kind"),
        (data.name != "things", "data.name"),
        (!data.classes.is_empty(), "data.classes"),
        (data.limit > 0, "data.limit"),
        (data.augment != Augment::None, "data.augment"),
        (config.clip.is_some(), "the section [clip]"),
    ];
    match passed_over.iter().find(|(wrong, _)| *wrong) {
        None => Ok(()),
        Some((_, "data.name")) => Err(CliError::input(
            format!("data.name = {:?} does not go with a BERT", data.name),
            "Set data.name = \"things\"",
        )),
        Some((_, key)) => Err(CliError::input(
            format!("{key} has no meaning for a BERT on THINGS"),
            "Leave it out",
        )),
    }
}
