//! Bit-exact resumable fine-tuning: stop it anywhere, start it again, and not one bit differs.
//!
//! This crate is the facade of the workspace and holds the command-line program and its
//! built-in job. The parts, each usable on its own:
//!
//! | crate | what |
//! |---|---|
//! | [`rng`] | named, keyed, position-addressed random streams |
//! | [`record`] | checksummed, atomically committed files and a leaf-by-leaf view of them |
//! | [`optim`] | AdamW and SGD as pure steps over a serialisable state; schedules |
//! | [`ops`] | matrix products at a declared precision, by a fixed plan |
//! | [`dora`] | DoRA layers for Burn |
//! | [`models`] | the models and data that the built-in job uses; CLIP and its published weights |
//! | [`peft`] | LoRA and DoRA adapters of Hugging Face PEFT |
//! | [`pth`] | PyTorch's files, read without executing their pickles |
//! | [`things`] | the THINGS data set: targets, images, split |
//! | [`rsa`] | behavioural representational similarity analysis |
//! | [`report`] | a page, tables and plots about runs and their branches |
//! | [`trainer`] | the trainer whose complete state is one Burn record |
//!
//! A model and task of one's own need this crate alone: [`run_parts`] puts a run together, and
//! `docs/library.md` in the repository is the guide. [`burn`] and [`burn_flex`] are exported, at the
//! one version that fits; [`prelude`] has the names that most programs need, [`regression`] a task for
//! rows of numbers.
//!
//! # What this crate does not do
//! Nothing here trains: [`trainer`] does. The modules [`config`], [`ablation`], [`compute`], [`job`],
//! [`digits`], [`clip_hba`], [`sentences`] and [`cli`]
//! only set it up, show it and read clock, environment and terminal for it.

pub mod ablation;
pub mod cli;
pub mod clip_hba;
pub mod compute;
pub mod config;
pub mod digits;
mod error;
mod exchange;
mod heldout;
mod identity;
pub mod job;
mod prefix_keeping;
pub mod prelude;
pub mod regression;
mod regression_targets;
mod run_parts;
pub mod sentences;
mod setup;

/// Burn, at the version and with the features that these crates are built with.
///
/// Burn's derives write paths that begin with `burn::`, so a module that derives `Module` has to have
/// that name in scope: `use dacapo::burn;`.
pub use burn;
/// Burn's CPU backend, on which [`compute::Cpu`] is `Autodiff`.
pub use burn_flex;
pub use dacapo_dora as dora;
pub use dacapo_models as models;
pub use dacapo_ops as ops;
pub use dacapo_optim as optim;
pub use dacapo_peft as peft;
pub use dacapo_prefix as prefix;
pub use dacapo_pth as pth;
pub use dacapo_record as record;
pub use dacapo_report as report;
pub use dacapo_rng as rng;
pub use dacapo_rsa as rsa;
pub use dacapo_things as things;
pub use dacapo_trainer as trainer;
pub use error::CliError;
pub use identity::{identity, identity_in};
pub use prefix_keeping::PrefixKeeping;
pub use run_parts::run_parts;

/// The README's example compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The examples of the author's guide compile and hold.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/library.md")]
struct Library;
