use std::thread;

use burn::tensor::backend::AutodiffBackend;
use dacapo_record::Storage;

use crate::{
    CheckpointPolicy, Event, Observer, Outcome, RunFolder, StopReason, Task, Trainer, TrainerError,
    checkpoint_writer::{CheckpointWriter, Job},
};

/// Trains until the end, `stop_after` optimizer steps or the observer's wish, committing
/// checkpoints to `folder`.
///
/// A checkpoint is read off the device, serialised and committed while the next step is
/// computed; what goes wrong with it ends the run before the step after that. Whatever the outcome, the
/// state that it leaves in memory is committed when this returns.
///
/// The folder is [locked](RunFolder::lock) from here on, unless it is already.
///
/// # Errors
/// A folder that another process works in; a trainer that an ablation has taken a stream's position from, which no checkpoint would
/// hold; those of [`Trainer::step`] and of writing. The checkpoints committed before stay whole.
pub fn run<B: AutodiffBackend, T: Task<B>, O: Observer, S: Storage + Sync>(
    trainer: &mut Trainer<B, T>,
    folder: &RunFolder<S>,
    policy: &CheckpointPolicy,
    stop_after: Option<u64>,
    observer: &mut O,
) -> Result<Outcome, TrainerError> {
    trainer.check_whole()?;
    folder.lock_for_this_process()?;
    thread::scope(|scope| {
        let mut writer = CheckpointWriter::spawn(scope, folder, policy);
        let outcome = train(trainer, folder, policy, stop_after, observer, &mut writer);
        // Also after an error: the last checkpoint is what one goes on from.
        let last = writer.flush();
        let outcome = outcome?;
        note_checkpoint(observer, last?)?;
        Ok(outcome)
    })
}

fn train<B: AutodiffBackend, T: Task<B>, O: Observer, S: Storage + Sync>(
    trainer: &mut Trainer<B, T>,
    folder: &RunFolder<S>,
    policy: &CheckpointPolicy,
    stop_after: Option<u64>,
    observer: &mut O,
    writer: &mut CheckpointWriter<B>,
) -> Result<Outcome, TrainerError> {
    let mut committed = folder.latest()?.is_some();
    if !committed {
        commit(trainer, false, observer, writer)?;
        // A folder that cannot be written to is told before the first step, not after.
        note_checkpoint(observer, writer.flush()?)?;
        committed = true;
    }
    loop {
        note_checkpoint(observer, writer.poll()?)?;
        if trainer.is_finished() {
            return Ok(match trainer.early_stopping().triggered {
                true => Outcome::StoppedEarly,
                false => Outcome::Completed,
            });
        }
        let reached = stop_after.is_some_and(|step| trainer.global_step() >= step);
        let reason = match reached {
            true => Some(StopReason::StepReached),
            false => observer.stop(),
        };
        if let Some(reason) = reason {
            if !committed {
                commit(trainer, false, observer, writer)?;
            }
            return Ok(Outcome::Stopped(reason));
        }

        let Some(report) = trainer.step()? else {
            continue;
        };
        committed = false;
        let epoch_end = report.epoch_end.clone();
        note(observer, &Event::Step(report))?;
        let improved = epoch_end.as_ref().is_some_and(|end| end.improved);
        if let Some(end) = epoch_end {
            note(observer, &Event::Epoch(end))?;
        }
        if improved || trainer.is_finished() || due(trainer, policy) {
            commit(trainer, improved, observer, writer)?;
            committed = true;
        }
    }
}

fn due<B: AutodiffBackend, T: Task<B>>(trainer: &Trainer<B, T>, policy: &CheckpointPolicy) -> bool {
    let every = |count: u64, interval: u64| interval != 0 && count.is_multiple_of(interval);
    every(trainer.global_step(), policy.every_steps)
        || trainer.at_epoch_end() && every(trainer.epoch(), policy.every_epochs)
}

fn commit<B: AutodiffBackend, T: Task<B>, O: Observer>(
    trainer: &Trainer<B, T>,
    best: bool,
    observer: &mut O,
    writer: &mut CheckpointWriter<B>,
) -> Result<(), TrainerError> {
    let before = writer.submit(Job {
        name: trainer.checkpoint_name(),
        step: trainer.global_step(),
        snapshot: trainer.snapshot(observer.info()),
        best,
    })?;
    note_checkpoint(observer, before)
}

fn note_checkpoint<O: Observer>(
    observer: &mut O,
    event: Option<Event>,
) -> Result<(), TrainerError> {
    event.map_or(Ok(()), |event| note(observer, &event))
}

fn note<O: Observer>(observer: &mut O, event: &Event) -> Result<(), TrainerError> {
    observer.event(event).map_err(TrainerError::Observer)
}
