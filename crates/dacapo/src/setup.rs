//! From the configuration to a trainer, for every job.

use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use dacapo_dora::{DoraTargets, attach};
use dacapo_optim::Schedule;
use dacapo_rng::RngHub;
use dacapo_trainer::{RunParts, Task};

use crate::{
    CliError,
    compute::Compute,
    config::{AdaptConfig, AdaptMode, RunConfig},
    identity::identity_in,
};

/// What a run of `config`, whose schedule is resolved, is made of.
pub(crate) fn run_of<B: Compute, T: Task<B>>(
    config: &RunConfig,
    task: T,
    model: T::Model,
    rng: RngHub,
    device: &B::Device,
) -> Result<RunParts<B, T>, CliError> {
    // Resolved at the first start, so the number of ticks no longer matters.
    let schedule = config.scheduler.resolved(u64::MAX)?;
    let shared = config.shared_json().to_string();
    Ok(RunParts {
        task,
        model,
        settings: config.trainer_settings(schedule, shared.clone()),
        identity: identity_in::<B>(&shared, device, config.run.precision),
        rng,
        device: device.clone(),
    })
}

/// Optimizer steps in an epoch of `train_len` examples.
pub(crate) fn steps_per_epoch(config: &RunConfig, train_len: usize) -> u64 {
    config
        .trainer_settings(Schedule::Constant {}, String::new())
        .steps_per_epoch(train_len)
}

/// The model with its adapters, unless everything is trained.
pub(crate) fn adapted<B: AutodiffBackend, M: DoraTargets<B>>(
    model: M,
    adapt: &AdaptConfig,
    rng: &mut RngHub,
) -> Result<M, CliError> {
    match adapt.mode {
        AdaptMode::Full => Ok(model),
        AdaptMode::Dora => {
            let (model, _) = attach(model, &adapt.plan(), rng.stream("init")?)?;
            Ok(model)
        }
    }
}

/// The path that `key` has, in full, so that the run can be resumed from another folder.
pub(crate) fn absolute(key: &str, path: &Path, next: &str) -> Result<String, CliError> {
    let absolute = path.canonicalize().map_err(|error| {
        CliError::input(
            format!("{key}: cannot find {}: {error}", path.display()),
            next,
        )
    })?;
    // A text with replacement characters would lead elsewhere.
    absolute.into_os_string().into_string().map_err(|path| {
        CliError::input(
            format!("{key}: {} is not UTF-8", path.display()),
            "Rename the folder, or move the file to another one: config.toml holds the path as text",
        )
    })
}

/// Fills in the schedule's total: from then on it is a setting like any other, so that
/// training for longer later does not bend the schedule.
pub(crate) fn resolve_schedule(config: &mut RunConfig, train_len: usize) -> Result<(), CliError> {
    let settings = config.trainer_settings(Schedule::Constant {}, String::new());
    settings.validate(train_len)?;
    // No more than config.toml can hold, so that it can be read back.
    let ticks = settings.schedule_ticks(train_len).min(i64::MAX as u64);
    config.scheduler = config.scheduler.resolved(ticks)?.into();
    Ok(())
}
