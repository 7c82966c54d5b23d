use dacapo_optim::{OptimizerConfig, Schedule};
use serde::Serialize;

use crate::{
    EarlyStoppingConfig, Parent, Perturbation, PerturbationKind, ResetOptimizer, ScheduleUnit,
    TrainerError,
};

/// Everything that the trainer itself is told.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerSettings {
    /// The researcher's number of the run.
    pub training_run: u64,
    /// Epochs to train.
    pub epochs: u64,
    /// Examples in a micro-batch.
    pub batch_size: usize,
    /// Micro-batches in an optimizer step. Their gradients are averaged by examples,
    /// so that a step equals one of a batch that many times larger, up to rounding.
    pub accumulation: usize,
    /// Parts of a micro-batch, of which each has a forward and a backward pass of its own, whichever
    /// [rank](crate::Ranks) it is on; 1 for none. It must divide `batch_size`.
    pub virtual_shards: usize,
    /// Whether every epoch has an order of its own, from the stream `shuffle`.
    pub shuffle: bool,
    /// Whether an incomplete last micro-batch of an epoch is left out.
    pub drop_last: bool,
    /// Scenario A or B.
    pub reset_optimizer: ResetOptimizer,
    /// `*` patterns of the paths to train. Everything else is frozen.
    pub trainable: Vec<String>,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// The learning-rate schedule.
    pub schedule: Schedule,
    /// What moves the schedule on.
    pub schedule_unit: ScheduleUnit,
    /// When to stop.
    pub early_stopping: EarlyStoppingConfig,
    /// Steps in which training is disturbed.
    pub perturbation: Option<Perturbation>,
    /// The run and step that this one was branched off.
    pub parent: Option<Parent>,
    /// The resolved configuration, as JSON, stored in every record. A task of one's own may
    /// write any text; [`shared_hash`](Self::shared_hash) covers it.
    pub config: String,
}

fn is_one(count: &usize) -> bool {
    *count == 1
}

/// What [`TrainerSettings::shared_hash`] is a hash of.
#[derive(Serialize)]
struct Shared<'a> {
    training_run: u64,
    batch_size: usize,
    accumulation: usize,
    // Left out where there is one, as in the runs from before there were any.
    #[serde(skip_serializing_if = "is_one")]
    virtual_shards: usize,
    shuffle: bool,
    drop_last: bool,
    reset_optimizer: ResetOptimizer,
    trainable: &'a [String],
    optimizer: &'a OptimizerConfig,
    schedule: &'a Schedule,
    schedule_unit: ScheduleUnit,
    early_stopping: &'a EarlyStoppingConfig,
    perturbation: &'a Option<Perturbation>,
    config: &'a str,
}

impl TrainerSettings {
    /// Training of every adapter (`*.adapter.*`), run 1: AdamW with its defaults at a constant rate,
    /// shuffled, without accumulation, the last batch of an epoch as short as it comes out, early
    /// stopping as [`EarlyStoppingConfig::default`] says, and an empty `config`.
    pub fn new(epochs: u64, batch_size: usize) -> Self {
        Self {
            training_run: 1,
            epochs,
            batch_size,
            accumulation: 1,
            virtual_shards: 1,
            shuffle: true,
            drop_last: false,
            reset_optimizer: ResetOptimizer::Never,
            trainable: vec!["*.adapter.*".to_owned()],
            optimizer: OptimizerConfig::default(),
            schedule: Schedule::Constant {},
            schedule_unit: ScheduleUnit::Step,
            early_stopping: EarlyStoppingConfig::default(),
            perturbation: None,
            parent: None,
            config: String::new(),
        }
    }

    /// BLAKE3, in hex, of everything here that a resumed run must share: all but `epochs`, of which
    /// there may be more, and `parent`, which is the record's. What the model was made with and no
    /// tensor shows (a dropout rate, a DoRA alpha) belongs into `config`, and is covered then.
    pub fn shared_hash(&self) -> String {
        // Destructured, so that a new field cannot be forgotten here.
        let Self {
            training_run,
            epochs: _,
            batch_size,
            accumulation,
            virtual_shards,
            shuffle,
            drop_last,
            reset_optimizer,
            trainable,
            optimizer,
            schedule,
            schedule_unit,
            early_stopping,
            perturbation,
            parent: _,
            config,
        } = self;
        let shared = rmp_serde::to_vec_named(&Shared {
            training_run: *training_run,
            batch_size: *batch_size,
            accumulation: *accumulation,
            virtual_shards: *virtual_shards,
            shuffle: *shuffle,
            drop_last: *drop_last,
            reset_optimizer: *reset_optimizer,
            trainable,
            optimizer,
            schedule,
            schedule_unit: *schedule_unit,
            early_stopping,
            perturbation,
            config,
        });
        let shared = shared.expect("plain data");
        blake3::hash(&shared).to_hex().to_string()
    }

    /// Checks the ranges, and the sizes against the number of training examples.
    ///
    /// # Errors
    /// Names the key that is out of range.
    pub fn validate(&self, train_len: usize) -> Result<(), TrainerError> {
        if train_len == 0 {
            return Err(TrainerError::setting(
                "data",
                "0 training examples",
                "at least one is needed",
                "Check data.classes, data.limit and the fractions of the split",
            ));
        }
        if self.epochs == 0 {
            return Err(TrainerError::setting(
                "train.epochs",
                0,
                "at least 1 is needed",
                "Give --epochs N or set train.epochs",
            ));
        }
        if self.batch_size == 0 || self.batch_size > train_len {
            return Err(TrainerError::setting(
                "train.batch_size",
                self.batch_size,
                format!("must be between 1 and the {train_len} training examples"),
                "Use a smaller batch or more data",
            ));
        }
        if self.accumulation == 0 {
            return Err(TrainerError::setting(
                "train.accumulation",
                0,
                "at least 1 micro-batch is needed in a step",
                "Use 1 for no accumulation",
            ));
        }
        if self.virtual_shards == 0 || !self.batch_size.is_multiple_of(self.virtual_shards) {
            return Err(TrainerError::setting(
                "train.virtual_shards",
                self.virtual_shards,
                format!(
                    "must divide the {} examples of train.batch_size, so that every shard has as many",
                    self.batch_size
                ),
                "Use 1 for none, or another train.batch_size",
            ));
        }
        if let Some(perturbation) = &self.perturbation {
            perturbation.validate(self.steps_per_epoch(train_len))?;
        }
        self.optimizer.validate()?;
        self.schedule.validate()?;
        self.early_stopping.validate()
    }

    /// Training examples that an epoch visits.
    pub fn examples_per_epoch(&self, train_len: usize) -> usize {
        match self.drop_last {
            true => train_len - train_len % self.batch_size,
            false => train_len,
        }
    }

    /// Optimizer steps in an epoch.
    pub fn steps_per_epoch(&self, train_len: usize) -> u64 {
        self.examples_per_epoch(train_len)
            .div_ceil(self.examples_per_step()) as u64
    }

    /// Examples of a forward pass.
    pub fn shard_size(&self) -> usize {
        self.batch_size / self.virtual_shards
    }

    /// Training examples of a whole optimizer step.
    pub fn examples_per_step(&self) -> usize {
        self.batch_size.saturating_mul(self.accumulation)
    }

    /// The perturbation, if it is of this kind and disturbs this step.
    pub(crate) fn disturbed(&self, kind: PerturbationKind, step: u64) -> Option<&Perturbation> {
        let perturbation = self.perturbation.as_ref();
        perturbation
            .filter(|perturbation| perturbation.kind == kind && perturbation.is_active(step))
    }

    /// Ticks of the schedule in the whole run.
    pub fn schedule_ticks(&self, train_len: usize) -> u64 {
        match self.schedule_unit {
            ScheduleUnit::Step => self.epochs.saturating_mul(self.steps_per_epoch(train_len)),
            ScheduleUnit::Epoch => self.epochs,
        }
    }
}
