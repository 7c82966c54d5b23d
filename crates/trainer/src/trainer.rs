use std::collections::{BTreeMap, BTreeSet};

use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};
use dacapo_ops::WorkQueue;
use dacapo_optim::{Optimizer, OptimizerRecord, ParamSpec, Scheduler};
use dacapo_rng::{RngHub, epoch_permutation};

use crate::{
    DataRecord, EarlyStopping, EpochRow, Identity, Info, LineageEvent, PartialEpoch, Perturbation,
    PerturbationKind, Ranks, RunRecord, Snapshot, Task, TrainerError, TrainerRecord,
    TrainerSettings,
    hashes::{frozen_hashes, hash_all, order_key, short_hash},
    held::Held,
    metrics::{check_monitor, known_metrics},
    module_state,
    trainable::trainable,
};

/// The streams that a run's [`RngHub`] must declare; a task may add its own.
pub const STREAMS: &[&str] = &["init", "shuffle", "dropout", "perturbation"];

/// A run in memory: model, optimizer, schedule, random streams, counters.
///
/// [`step`](Self::step) moves it on by one optimizer step and depends on nothing else:
/// no clock, no environment, no global generator. [`to_record`](Self::to_record) takes
/// the complete state between any two steps, [`resume`](Self::resume) goes on from it.
pub struct Trainer<B: AutodiffBackend, T: Task<B>> {
    pub(crate) task: T,
    pub(crate) model: Held<T::Model>,
    pub(crate) settings: TrainerSettings,
    pub(crate) optimizer: Optimizer<B::InnerBackend>,
    pub(crate) scheduler: Scheduler,
    pub(crate) rng: RngHub,
    pub(crate) early_stopping: EarlyStopping,
    pub(crate) identity: Identity,
    pub(crate) run_id: String,
    /// The data's; fixed while the run lives.
    pub(crate) fingerprint: String,
    pub(crate) lineage: Vec<LineageEvent>,
    pub(crate) history: Vec<EpochRow>,
    pub(crate) partial_epoch: PartialEpoch,
    pub(crate) global_step: u64,
    pub(crate) epoch: u64,
    pub(crate) position: usize,
    /// The order of the epoch in progress; follows from seed and epoch.
    pub(crate) order: Vec<usize>,
    /// The epoch that shuffling counts from, and the step that dropout does: 0, but in
    /// ablations.
    pub(crate) shuffle_from: u64,
    pub(crate) dropout_from: u64,
    pub(crate) trainable: BTreeMap<String, ParamSpec>,
    pub(crate) trainable_paths: BTreeSet<String>,
    has_buffers: bool,
    pub(crate) device: B::Device,
    pub(crate) ranks: Ranks,
    /// Steps that are queued and not finished: at most two, and none between two calls from outside, but
    /// after an error.
    pub(crate) pending_steps: u8,
    /// Hash of every frozen tensor, until the first step has proved them constant.
    pub(crate) frozen: Option<BTreeMap<String, blake3::Hash>>,
}

impl<B: AutodiffBackend, T: Task<B>> Trainer<B, T> {
    /// A run before its first step.
    ///
    /// `identity.base_hash` is filled in here, from the frozen tensors of `model`.
    ///
    /// # Errors
    /// A setting out of range, or a pattern of `trainable` or of a parameter group that
    /// matches no parameter.
    pub fn new(
        mut task: T,
        model: T::Model,
        settings: TrainerSettings,
        mut identity: Identity,
        rng: RngHub,
        device: B::Device,
    ) -> Result<Self, TrainerError> {
        let train_len = task.train_len();
        settings.validate(train_len)?;
        if let Some(known) = known_metrics(&task) {
            check_monitor(&settings.early_stopping.monitor, known.iter())?;
        }

        check_perturbation(&task, settings.perturbation.as_ref())?;

        let trainable = trainable(&task, &model, &settings.trainable)?;
        let trainable_paths: BTreeSet<String> = trainable.keys().cloned().collect();
        task.prepare(&trainable_paths);
        let model =
            module_state::set_trainable(model, &trainable_paths, &|path| task.is_buffer(path));

        let has_buffers = module_state::has(&model.valid(), |path| task.is_buffer(path));
        if has_buffers && settings.virtual_shards > 1 {
            return Err(TrainerError::setting(
                "train.virtual_shards",
                settings.virtual_shards,
                "this model has running statistics (batch normalisation), which one batch after \
                 the other moves, and no shard can wait for the one before",
                "Use 1, or a model that normalises each example by itself",
            ));
        }
        let frozen = frozen_hashes(&task, &model, &trainable_paths);
        identity.base_hash = hash_all(&frozen);

        let optimizer = Optimizer::new(&settings.optimizer, &trainable, &device)?;
        let fingerprint = task.fingerprint();
        let mut trainer = Self {
            scheduler: Scheduler::new(settings.schedule)?,
            early_stopping: EarlyStopping::new(settings.early_stopping.clone()),
            task,
            model: Held::new(model),
            settings,
            optimizer,
            rng,
            identity,
            run_id: String::new(),
            fingerprint,
            lineage: Vec::new(),
            history: Vec::new(),
            partial_epoch: PartialEpoch::default(),
            global_step: 0,
            epoch: 0,
            position: 0,
            order: Vec::new(),
            shuffle_from: 0,
            dropout_from: 0,
            trainable,
            trainable_paths,
            has_buffers,
            device,
            ranks: Ranks::alone(),
            pending_steps: 0,
            frozen: Some(frozen),
        };
        trainer.run_id = trainer.id();
        trainer.order = trainer.epoch_order();
        Ok(trainer)
    }

    /// Whether all epochs are done or early stopping has ended the run.
    pub fn is_finished(&self) -> bool {
        self.epoch >= self.settings.epochs || self.early_stopping.triggered
    }

    /// The complete state.
    ///
    /// # Errors
    /// A backend that cannot hand out the adapters or the moments; a step that an error has left
    /// unfinished.
    pub fn to_record(&self, info: Info) -> Result<TrainerRecord, TrainerError> {
        self.check_none_pending()?;
        self.snapshot(info).into_record()
    }

    /// The complete state, with adapters and moments still on the device.
    ///
    /// # Panics
    /// After an error of [`step`](Self::step) or [`run`](crate::run()) that has left a step unfinished.
    pub fn snapshot(&self, info: Info) -> Snapshot<B> {
        self.check_none_pending()
            .unwrap_or_else(|error| panic!("{error}"));
        let buffers = match self.has_buffers {
            // `valid` brings running statistics up to date.
            true => module_state::tensors(&self.model.valid(), |path| self.task.is_buffer(path)),
            false => BTreeMap::new(),
        };
        Snapshot {
            queue: WorkQueue::of_this_thread(),
            adapters: module_state::flat::<B, _>(&*self.model, &self.trainable_paths, None),
            specs: self.trainable.clone(),
            optimizer: self.optimizer.clone(),
            buffers,
            scheduler: self.scheduler.to_record(),
            rng: self.rng.to_record(),
            data: DataRecord {
                fingerprint: self.fingerprint.clone(),
                len: self.task.train_len() as u64,
                epoch: self.epoch,
                position: self.position as u64,
                permutation_key: order_key(&self.order),
            },
            early_stopping: self.early_stopping.clone(),
            run: RunRecord {
                run_id: self.run_id.clone(),
                training_run: self.settings.training_run,
                global_step: self.global_step,
                epochs: self.settings.epochs,
                reset_optimizer: self.settings.reset_optimizer,
                parent: self.settings.parent.clone(),
                perturbation: self.settings.perturbation.as_ref().map(ToString::to_string),
                lineage: self.lineage.clone(),
                partial_epoch: self.partial_epoch,
                history: self.history.clone(),
                config: self.settings.config.clone(),
            },
            identity: self.identity.clone(),
            info,
        }
    }

    /// The name of this state's checkpoint. It depends on the state alone.
    pub fn checkpoint_name(&self) -> String {
        match self.at_epoch_end() {
            true => epoch_checkpoint(self.epoch, self.global_step),
            false => format!("step-{:08}", self.global_step),
        }
    }

    /// Whether the last step ended an epoch.
    pub fn at_epoch_end(&self) -> bool {
        self.position == 0 && self.epoch > 0
    }

    /// The model as it stands.
    pub fn model(&self) -> &T::Model {
        &self.model
    }

    /// The device.
    pub fn device(&self) -> &B::Device {
        &self.device
    }

    /// The task.
    pub fn task(&self) -> &T {
        &self.task
    }

    /// The processes that train this run: this one alone, until it [joins](Self::join) others.
    pub fn ranks(&self) -> &Ranks {
        &self.ranks
    }

    /// The settings.
    pub fn settings(&self) -> &TrainerSettings {
        &self.settings
    }

    /// One row for every completed epoch.
    pub fn history(&self) -> &[EpochRow] {
        &self.history
    }

    /// The early-stopping counters.
    pub fn early_stopping(&self) -> &EarlyStopping {
        &self.early_stopping
    }

    /// What this run's bits depend on besides its state.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The run's id.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Optimizer steps done.
    pub fn global_step(&self) -> u64 {
        self.global_step
    }

    /// Epochs completed.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The trainable tensors by path.
    pub fn trainable(&self) -> &BTreeMap<String, ParamSpec> {
        &self.trainable
    }

    /// Training examples that an epoch visits.
    pub fn examples_per_epoch(&self) -> usize {
        self.settings.examples_per_epoch(self.task.train_len())
    }

    /// An optimizer before its first step.
    pub(crate) fn fresh_optimizer(&self) -> Result<Optimizer<B::InnerBackend>, TrainerError> {
        let settings = &self.settings.optimizer;
        Ok(Optimizer::new(settings, &self.trainable, &self.device)?)
    }

    /// The optimizer that a record holds.
    pub(crate) fn optimizer_from(
        &self,
        record: &OptimizerRecord,
    ) -> Result<Optimizer<B::InnerBackend>, TrainerError> {
        let settings = &self.settings.optimizer;
        Ok(Optimizer::from_record(
            record,
            &self.trainable,
            settings,
            &self.device,
        )?)
    }

    /// Refuses a trainer with a step that is queued and not finished, whose state is no state between two
    /// steps.
    pub(crate) fn check_none_pending(&self) -> Result<(), TrainerError> {
        match self.pending_steps {
            0 => Ok(()),
            pending => Err(TrainerError::state(
                "run.global_step",
                "a state between two steps",
                format!("step {}, {pending} of them pending", self.global_step),
                "Go on from the last checkpoint",
            )),
        }
    }

    /// The run's id.
    pub(crate) fn id(&self) -> String {
        let parent = self.settings.parent.as_ref();
        let parent = parent.map(|parent| format!("{}@{}", parent.run_id, parent.step));
        short_hash(&[
            &self.identity.config_hash,
            &self.identity.base_hash,
            &self.fingerprint,
            &self.rng.seed().to_string(),
            &parent.unwrap_or_default(),
        ])
    }

    pub(crate) fn epoch_order(&self) -> Vec<usize> {
        let len = self.task.train_len();
        let first_step = self.epoch * self.settings.steps_per_epoch(len) + 1;
        if let Some(perturbation) = self
            .settings
            .disturbed(PerturbationKind::DataOrder, first_step)
        {
            return epoch_permutation(perturbation.seed, Perturbation::STREAM, self.epoch, len);
        }
        match self.settings.shuffle {
            true => {
                let epoch = self.epoch - self.shuffle_from;
                epoch_permutation(self.rng.seed(), "shuffle", epoch, len)
            }
            false => (0..len).collect(),
        }
    }
}

/// Refuses a perturbation that the task would pass over.
fn check_perturbation<B: AutodiffBackend, T: Task<B>>(
    task: &T,
    perturbation: Option<&Perturbation>,
) -> Result<(), TrainerError> {
    let Some(perturbation) = perturbation else {
        return Ok(());
    };
    let known = task.perturbations();
    if !perturbation.kind.is_of_batch() || known.contains(&perturbation.kind) {
        return Ok(());
    }
    let names: Vec<&str> = known.iter().map(|kind| kind.name()).collect();
    Err(TrainerError::setting(
        "perturbation.kind",
        perturbation.kind.name(),
        "this task has no such perturbation",
        format!("Choose one of {}", names.join(", ")),
    ))
}

pub(crate) fn epoch_checkpoint(epoch: u64, step: u64) -> String {
    format!("epoch-{epoch:04}-step-{step:08}")
}
