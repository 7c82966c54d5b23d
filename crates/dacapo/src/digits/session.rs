use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use dacapo_models::Digits;
use dacapo_rng::RngHub;
use dacapo_trainer::{
    RunParts, STREAMS, SettingChange, Trainer, TrainerRecord, load_tensors, module_tensors,
};

use super::accuracy::verdict;
use super::{Accuracy, BaseRecord, DigitsModel, DigitsTask, architecture, no_classifier};
use crate::{
    CliError,
    compute::Compute,
    config::{ModelConfig, ModelKind, RunConfig},
    job::{Job, Verdict},
    setup::{absolute, adapted, resolve_schedule, run_of},
};

/// A digits run of one architecture, set up from its configuration.
pub struct Session<B: AutodiffBackend, M: DigitsModel<B>> {
    /// The run.
    pub trainer: Trainer<B, DigitsTask<B, M>>,
    /// The classes that the base was trained on.
    pub seen: Vec<u8>,
}

impl<B: Compute, M: DigitsModel<B>> Job<B> for Session<B, M> {
    type Task = DigitsTask<B, M>;

    fn start(config: &mut RunConfig, device: &B::Device) -> Result<Self, CliError> {
        resolve::<B, M>(config, device)?;
        let (setup, seen) = set_up::<B, M>(config, device)?;
        Ok(Self {
            trainer: setup.start()?,
            seen,
        })
    }

    fn resume(
        config: &RunConfig,
        device: &B::Device,
        record: TrainerRecord,
        allow_identity_change: bool,
    ) -> Result<Self, CliError> {
        let (setup, seen) = set_up::<B, M>(config, device)?;
        Ok(Self {
            trainer: setup.resume_as(record, allow_identity_change)?,
            seen,
        })
    }

    fn fork(
        config: &RunConfig,
        device: &B::Device,
        record: TrainerRecord,
        changes: Vec<SettingChange>,
        allow_identity_change: bool,
    ) -> Result<Self, CliError> {
        let (setup, seen) = set_up::<B, M>(config, device)?;
        Ok(Self {
            trainer: setup.fork(record, changes, allow_identity_change)?,
            seen,
        })
    }

    fn trainer(&self) -> &Trainer<B, Self::Task> {
        &self.trainer
    }

    fn trainer_mut(&mut self) -> &mut Trainer<B, Self::Task> {
        &mut self.trainer
    }

    fn data(&self) -> String {
        let split = self.trainer.task().split();
        let (train, valid, test) = (split.train.len(), split.valid.len(), split.test.len());
        let seen = match self.seen.as_slice() {
            [] => "no class".to_owned(),
            seen => {
                let list: Vec<String> = seen.iter().map(u8::to_string).collect();
                format!("the classes {}", list.join(" "))
            }
        };
        format!(
            "{train} training, {valid} validation, {test} test images; the base has seen {seen}"
        )
    }

    fn verdict(&self, config: &RunConfig, best: &TrainerRecord) -> Result<Verdict, CliError> {
        let (before, after) = self.before_and_after(config, best)?;
        Ok(verdict(before, after, !self.seen.is_empty()))
    }

    fn base(
        &self,
        config: &RunConfig,
        best: &TrainerRecord,
        provenance: String,
    ) -> Result<BaseRecord, CliError> {
        let mut tensors = module_tensors(&self.trainer.model().valid());
        tensors.extend(best.adapters.clone());
        tensors.extend(best.buffers.clone());
        let mut classes = config.data.classes.clone();
        classes.sort_unstable();
        Ok(BaseRecord {
            architecture: architecture(&config.model)?.to_string(),
            classes,
            provenance,
            tensors,
        })
    }
}

impl<B: Compute, M: DigitsModel<B>> Session<B, M> {
    /// Test accuracy before the first step, and of the model that `best` holds.
    ///
    /// # Errors
    /// A record that does not fit.
    pub fn before_and_after(
        &self,
        config: &RunConfig,
        best: &TrainerRecord,
    ) -> Result<(Accuracy, Accuracy), CliError> {
        let (before, _) = set_up::<B, M>(config, self.trainer.device())?;
        let task = self.trainer.task();
        let accuracy_before = task.test_accuracy(&before.model.valid(), &self.seen);
        let mut after = module_tensors(&before.model.valid());
        after.extend(best.adapters.clone());
        after.extend(best.buffers.clone());
        let after = load_tensors(before.model, "best", &after)?;
        Ok((
            accuracy_before,
            task.test_accuracy(&after.valid(), &self.seen),
        ))
    }
}

type DigitsSetup<B, M> = RunParts<B, DigitsTask<B, M>>;

/// What `config` names, and the classes that the base was trained on.
fn set_up<B: Compute, M: DigitsModel<B>>(
    config: &RunConfig,
    device: &B::Device,
) -> Result<(DigitsSetup<B, M>, Vec<u8>), CliError> {
    let sections = [
        ("clip", "clip", config.clip.is_some()),
        ("sentences", "bert", config.sentences.is_some()),
    ];
    if let Some((section, kind, _)) = sections.iter().find(|(_, _, given)| *given) {
        return Err(CliError::input(
            format!("the section [{section}] has no meaning for this model"),
            format!("Leave it out, or set model.kind = \"{kind}\""),
        ));
    }
    let task = DigitsTask::new(&config.data, device.clone())?;
    check_sizes(&config.model, task.classes())?;
    let mut streams = STREAMS.to_vec();
    streams.push(DigitsTask::<B, M>::STREAM);
    let mut rng = RngHub::new(config.run.seed, &streams);

    let precision = config.run.precision;
    B::check_precision(device, precision)?;
    let mut model = M::random(&config.model, rng.stream("init")?, device)?;
    model = model.with_precision(precision);
    let mut seen = Vec::new();
    if let Some(base) = read_base(config)? {
        model = load_tensors(model, "model.base", &base.tensors)?;
        seen = base.classes;
    }
    let model = adapted(model, &config.adapt, &mut rng)?;
    let setup = run_of(config, task, model, rng, device)?;
    Ok((setup, seen))
}

/// Fills in what the configuration leaves open: the schedule's total, and where the base lies.
fn resolve<B: Compute, M: DigitsModel<B>>(
    config: &mut RunConfig,
    device: &B::Device,
) -> Result<(), CliError> {
    let task = DigitsTask::<B, M>::new(&config.data, device.clone())?;
    resolve_schedule(config, task.split().train.len())?;
    if let Some(file) = config.model.base_file() {
        let next =
            "Give \"embedded\", \"random\", or a file that `dacapo pretrain --save FILE` wrote";
        config.model.base = absolute("model.base", file, next)?;
    }
    Ok(())
}

/// Refuses a model that the images or their labels do not fit.
fn check_sizes(model: &ModelConfig, needed: usize) -> Result<(), CliError> {
    let (section, image_size, classes) = match model.kind {
        ModelKind::Clip | ModelKind::Bert => return Err(no_classifier(model.kind)),
        ModelKind::Vit => ("vit", model.vit.image_size, model.vit.classes),
        ModelKind::ConvNet => (
            "conv_net",
            model.conv_net.image_size,
            model.conv_net.classes,
        ),
    };
    let side = Digits::SIDE;
    if image_size != side {
        return Err(CliError::input(
            format!("model.{section}.image_size = {image_size}, but the images are {side}x{side}"),
            format!("Set model.{section}.image_size = {side}"),
        ));
    }
    if classes < needed {
        return Err(CliError::input(
            format!(
                "model.{section}.classes = {classes}, but the data holds the label {}",
                needed - 1
            ),
            format!("Set model.{section}.classes = {needed} or more, or name fewer data.classes"),
        ));
    }
    Ok(())
}

fn read_base(config: &RunConfig) -> Result<Option<BaseRecord>, CliError> {
    let base = match config.model.base.as_str() {
        "random" => return Ok(None),
        "embedded" => BaseRecord::embedded()?,
        file => BaseRecord::read(Path::new(file))?,
    };
    let wanted = architecture(&config.model)?.to_string();
    if base.architecture != wanted {
        return Err(CliError::input(
            format!(
                "model.base = {:?} was made for {}, but [model] says {wanted}",
                config.model.base, base.architecture
            ),
            "Set [model] to the base's sizes, or model.base = \"random\" to train from scratch",
        ));
    }
    Ok(Some(base))
}
