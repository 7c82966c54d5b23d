//! What the benchmarks share: the default run, set up but not started.
//!
//! # Contract
//! [`default_run`] is the run of `dacapo train` without arguments, but endless: a benchmark
//! takes as many steps of it as it needs. [`transformer`] is a wider one, all of it trained.
//!
//! # What this crate does not do
//! It measures nothing itself and no other crate depends on it; see `benches/README.md`.

#[cfg(feature = "gpu")]
pub mod gpu;

use dacapo::{
    compute::Cpu,
    config::{AdaptMode, RunConfig},
    digits::Session,
    job::Job,
    models::Vit,
    trainer::RunFolder,
};
use tempfile::TempDir;

/// The default run in memory, and a folder to save it to.
pub struct DefaultRun {
    /// The run.
    pub session: Session<Cpu, Vit<Cpu>>,
    /// Its configuration.
    pub config: RunConfig,
    /// Where its checkpoints go.
    pub folder: RunFolder,
    _temporary: TempDir,
}

/// The default run after its first step, with a folder below `parent`.
///
/// # Panics
/// If it cannot be set up.
pub fn default_run(parent: &str) -> DefaultRun {
    let mut config = RunConfig::default();
    config.train.epochs = 1_000_000;
    config.early_stopping.enabled = false;
    let mut session =
        Session::start(&mut config, &Default::default()).expect("the default run can be set up");
    session.trainer.step().expect("a step succeeds");
    let temporary = tempfile::tempdir_in(parent).expect("a folder can be made");
    DefaultRun {
        session,
        config,
        folder: RunFolder::new(temporary.path()),
        _temporary: temporary,
    }
}

/// A transformer of 4 blocks, width 256, over 64 patches of one pixel and a class token, every
/// parameter trained with AdamW in batches of 32: after its first step.
///
/// # Panics
/// If it cannot be set up.
pub fn transformer() -> Session<Cpu, Vit<Cpu>> {
    let mut config = RunConfig::default();
    config.train.epochs = 1_000_000;
    config.train.batch_size = 32;
    config.early_stopping.enabled = false;
    config.adapt.mode = AdaptMode::Full;
    config.model.base = "random".to_owned();
    config.model.vit.patch_size = 1;
    config.model.vit.d_model = 256;
    config.model.vit.d_mlp = 1024;
    let mut session =
        Session::start(&mut config, &Default::default()).expect("the run can be set up");
    session.trainer.step().expect("a step succeeds");
    session
}
