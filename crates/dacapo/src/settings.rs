//! From the configuration to what the trainer is told.

use dacapo_adamw::Schedule;
use dacapo_trainer::TrainerSettings;

use crate::{CliError, config::RunConfig};

/// Fills in the schedule's total: from then on it is a setting like any other, so that
/// training for longer later does not bend the schedule.
pub(crate) fn resolve_schedule(config: &mut RunConfig, train_len: usize) -> Result<(), CliError> {
    let settings = settings(config, Schedule::Constant {}, "*", String::new());
    settings.validate(train_len)?;
    // No more than config.toml can hold, so that it can be read back.
    let ticks = settings.schedule_ticks(train_len).min(i64::MAX as u64);
    config.scheduler = config.scheduler.resolved(ticks)?.into();
    Ok(())
}

pub(crate) fn settings(
    config: &RunConfig,
    schedule: Schedule,
    trainable: &str,
    shared: String,
) -> TrainerSettings {
    let train = &config.train;
    TrainerSettings {
        training_run: config.run.training_run,
        epochs: train.epochs,
        batch_size: train.batch_size,
        accumulation: train.accumulation,
        shuffle: train.shuffle,
        drop_last: train.drop_last,
        reset_optimizer: train.reset_optimizer,
        trainable: vec![trainable.to_owned()],
        optimizer: config.optimizer.clone(),
        schedule,
        schedule_unit: train.schedule_unit,
        early_stopping: config.early_stopping.clone(),
        parent: None,
        config: shared,
    }
}
