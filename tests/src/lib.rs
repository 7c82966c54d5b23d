//! What the workspace-wide tests share: running the program and comparing runs.
//!
//! # Contract
//! A [`Sandbox`] runs the program of this very build as a process of its own, in a folder
//! of its own, with an environment that changes no result. [`compare_runs`] compares what
//! two run folders hold with the library, not with the program under test.
//!
//! # What this crate does not do
//! It trains nothing itself, and no other crate depends on it.

mod adamw;
mod comparison;
mod finished;
mod golden_clip;
mod sandbox;
mod settings;
mod things_tables;
mod thread_group;

pub use adamw::{adamw, adamw_config};
pub use comparison::{assert_same_run, compare_runs};
pub use finished::Finished;
pub use golden_clip::GOLDEN_CLIP_SIZES;
pub use sandbox::Sandbox;
pub use settings::Settings;
pub use things_tables::{dissimilarities, target_table};
pub use thread_group::ThreadGroup;

/// A new [`Sandbox`] for the program that cargo built beside the calling test.
#[macro_export]
macro_rules! sandbox {
    () => {
        $crate::Sandbox::new(env!("CARGO_BIN_EXE_dacapo-under-test"))
    };
}
