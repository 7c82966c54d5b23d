//! What the program trains, whatever that is.

use dacapo_prefix::Place;
use dacapo_trainer::{SettingChange, Task, Trainer, TrainerRecord};
use serde_json::Value;

use crate::{
    CliError, compute::Compute, config::RunConfig, digits::BaseRecord,
    prefix_keeping::PrefixKeeping,
};

/// A built-in job: what the program trains, set up from a configuration.
pub trait Job<B: Compute>: Sized {
    /// What is trained, on what and how it is judged.
    type Task: Task<B>;

    /// A run before its first step; fills in what `config` leaves open.
    ///
    /// # Errors
    /// Whatever in `config` cannot be used.
    fn start(config: &mut RunConfig, device: &B::Device) -> Result<Self, CliError>;

    /// The run that `record` was taken from.
    ///
    /// # Errors
    /// Whatever in `record` does not fit `config` or this program.
    fn resume(
        config: &RunConfig,
        device: &B::Device,
        record: TrainerRecord,
        allow_identity_change: bool,
    ) -> Result<Self, CliError>;

    /// A branch off the run that `record` was taken from, under the settings of `config`, which
    /// differ by `changes`.
    ///
    /// # Errors
    /// Whatever in `record` does not fit `config` or this program.
    fn fork(
        config: &RunConfig,
        device: &B::Device,
        record: TrainerRecord,
        changes: Vec<SettingChange>,
        allow_identity_change: bool,
    ) -> Result<Self, CliError>;

    /// The run.
    fn trainer(&self) -> &Trainer<B, Self::Task>;

    /// The run, to go on with it.
    fn trainer_mut(&mut self) -> &mut Trainer<B, Self::Task>;

    /// Where what a model computes before its first trainable tensor is kept from step to step, if
    /// it has any; said before the first step. No bit depends on it.
    fn keep_prefix(&self, _keeping: &PrefixKeeping) {}

    /// Where it is, once it was needed.
    fn prefix_place(&self) -> Option<Place> {
        None
    }

    /// The data, in one line.
    fn data(&self) -> String;

    /// How good the model is that `best` holds.
    ///
    /// # Errors
    /// A record that does not fit.
    fn verdict(&self, config: &RunConfig, best: &TrainerRecord) -> Result<Verdict, CliError>;

    /// The model that `best` holds, as a base for other runs.
    ///
    /// # Errors
    /// A record that does not fit, or a job that makes no bases.
    fn base(
        &self,
        config: &RunConfig,
        best: &TrainerRecord,
        provenance: String,
    ) -> Result<BaseRecord, CliError>;
}

/// How good a finished run's best model is.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Whole lines of the closing summary.
    pub text: String,
    /// The same for scripts.
    pub json: Value,
}
