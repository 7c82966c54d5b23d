//! A trainer whose complete state is one Burn record.
//!
//! # Contract
//! Stop a [`Trainer`] between any two steps, take its [`TrainerRecord`], go on from it in
//! another process: every later record is equal to the uninterrupted run's in every bit,
//! [`Info`] aside. What can change bits and is no state is the run's [`Identity`], which
//! [`Trainer::resume`] checks. Whatever is missing, unexpected or of another shape or
//! dtype is an error that names its path.
//!
//! An optimizer step is the smallest unit: gradients of a half accumulated step are never
//! state.
//!
//! # What this crate does not do
//! It reads no clock, environment or terminal (an [`Observer`] does), knows no model and
//! no data set (a [`Task`] does), and touches files only through `dacapo-record`.

mod batch_perturbation;
mod checkpoint_policy;
mod checkpoint_writer;
mod communicator;
mod data_record;
mod direction;
mod early_stopping;
mod early_stopping_config;
mod epoch_report;
mod epoch_row;
mod error;
mod event;
mod examined;
mod fingerprint;
mod fork;
mod fork_source;
mod hashes;
mod held;
mod history;
mod identity;
mod import;
mod import_source;
mod imported;
mod info;
mod join;
mod lineage_event;
mod losses;
mod metrics;
mod module_state;
mod observer;
mod omission;
mod omit;
mod outcome;
mod parent;
mod partial_epoch;
mod payload;
mod pending_step;
mod perturbation;
mod perturbation_kind;
mod ranks;
mod reset_optimizer;
mod resume;
mod run;
mod run_folder;
mod run_parts;
mod run_record;
mod schedule_unit;
mod setting_change;
mod shard_gradients;
mod shard_tree;
mod snapshot;
mod step;
mod step_context;
mod step_report;
mod stop_reason;
mod task;
mod trainable;
mod trainer;
mod trainer_record;
mod trainer_settings;

pub use batch_perturbation::BatchPerturbation;
pub use checkpoint_policy::CheckpointPolicy;
pub use communicator::{Communicator, CommunicatorError};
pub use data_record::DataRecord;
pub use direction::Direction;
pub use early_stopping::EarlyStopping;
pub use early_stopping_config::EarlyStoppingConfig;
pub use epoch_report::EpochReport;
pub use epoch_row::EpochRow;
pub use error::TrainerError;
pub use event::Event;
pub use examined::Examined;
pub use fingerprint::fingerprint;
pub use fork_source::ForkSource;
pub use hashes::base_hash;
pub use history::history_csv;
pub use identity::{Identity, IdentityChange};
pub use import_source::ImportSource;
pub use imported::Imported;
pub use info::Info;
pub use lineage_event::LineageEvent;
pub use module_state::{load_tensors, module_tensors};
pub use observer::Observer;
pub use omission::Omission;
pub use outcome::Outcome;
pub use parent::Parent;
pub use partial_epoch::PartialEpoch;
pub use payload::{from_payload, payload_tree, to_payload};
pub use perturbation::Perturbation;
pub use perturbation_kind::PerturbationKind;
pub use ranks::Ranks;
pub use reset_optimizer::ResetOptimizer;
pub use run::{follow, run};
pub use run_folder::RunFolder;
pub use run_parts::RunParts;
pub use run_record::RunRecord;
pub use schedule_unit::ScheduleUnit;
pub use setting_change::SettingChange;
pub use snapshot::Snapshot;
pub use step_context::StepContext;
pub use step_report::StepReport;
pub use stop_reason::StopReason;
pub use task::{Task, TaskError};
pub use trainer::{STREAMS, Trainer};
pub use trainer_record::TrainerRecord;
pub use trainer_settings::TrainerSettings;
