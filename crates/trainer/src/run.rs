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
/// Within an epoch a step is queued before the figures of the one before it are read, so that a device need
/// not wait for the host, unless the state between the two is needed: for a checkpoint that is due, or
/// because the run ends there. No bit and no event depends on it.
///
/// The folder is [locked](RunFolder::lock) from here on, unless it is already.
///
/// Of a run that [several processes](crate::Ranks) train, this is what the first one does; the others
/// [`follow`]. Where one of them is to stop, all do, after the same step; where one fails, all
/// end with an error.
///
/// # Errors
/// A folder that another process works in; a trainer that an ablation has taken a stream's position from, which no checkpoint would
/// hold; those of [`Trainer::step`] and of writing. The checkpoints committed before stay whole, and are
/// the state to go on from: the trainer must not be used further.
pub fn run<B: AutodiffBackend, T: Task<B>, O: Observer, S: Storage + Sync>(
    trainer: &mut Trainer<B, T>,
    folder: &RunFolder<S>,
    policy: &CheckpointPolicy,
    stop_after: Option<u64>,
    observer: &mut O,
) -> Result<Outcome, TrainerError> {
    let ranks = trainer.ranks().clone();
    let outcome = train_and_write(trainer, folder, policy, stop_after, observer)
        .inspect_err(|error| ranks.fail(error))?;
    ranks.exchange(END, Vec::new())?;
    Ok(outcome)
}

/// Trains as the first of several processes does with [`run`], and writes nothing: what all of the
/// others do.
///
/// # Errors
/// Those of [`Trainer::step`]; another process that fails.
pub fn follow<B: AutodiffBackend, T: Task<B>, O: Observer>(
    trainer: &mut Trainer<B, T>,
    stop_after: Option<u64>,
    observer: &mut O,
) -> Result<Outcome, TrainerError> {
    let ranks = trainer.ranks().clone();
    let outcome = trainer
        .check_whole()
        .and_then(|()| train(trainer, stop_after, observer, None))
        .inspect_err(|error| ranks.fail(error))?;
    // Not before everything is on the disk.
    ranks.exchange(END, Vec::new())?;
    Ok(outcome)
}

fn train_and_write<B: AutodiffBackend, T: Task<B>, O: Observer, S: Storage + Sync>(
    trainer: &mut Trainer<B, T>,
    folder: &RunFolder<S>,
    policy: &CheckpointPolicy,
    stop_after: Option<u64>,
    observer: &mut O,
) -> Result<Outcome, TrainerError> {
    trainer.check_whole()?;
    folder.lock_for_this_process()?;
    let committed = folder.latest()?.is_some();
    thread::scope(|scope| {
        let mut keeper = Keeper {
            writer: CheckpointWriter::spawn(scope, folder, policy),
            policy,
            committed,
        };
        let outcome = train(trainer, stop_after, observer, Some(&mut keeper));
        // Also after an error: the last checkpoint is what one goes on from.
        let last = keeper.writer.flush();
        let outcome = outcome?;
        note_checkpoint(observer, last?)?;
        Ok(outcome)
    })
}

/// The last exchange of a run.
const END: &str = "end of training";

/// What the process that writes checkpoints has besides.
struct Keeper<'a, B: AutodiffBackend> {
    writer: CheckpointWriter<B>,
    policy: &'a CheckpointPolicy,
    /// Whether the state in memory is committed, or about to be.
    committed: bool,
}

impl<B: AutodiffBackend> Keeper<'_, B> {
    fn commit<T: Task<B>, O: Observer>(
        &mut self,
        trainer: &Trainer<B, T>,
        best: bool,
        observer: &mut O,
    ) -> Result<(), TrainerError> {
        let before = self.writer.submit(Job {
            name: trainer.checkpoint_name(),
            step: trainer.global_step(),
            snapshot: trainer.snapshot(observer.info()),
            best,
        })?;
        self.committed = true;
        note_checkpoint(observer, before)
    }
}

fn train<B: AutodiffBackend, T: Task<B>, O: Observer>(
    trainer: &mut Trainer<B, T>,
    stop_after: Option<u64>,
    observer: &mut O,
    mut keeper: Option<&mut Keeper<'_, B>>,
) -> Result<Outcome, TrainerError> {
    if let Some(keeper) = &mut keeper
        && !keeper.committed
    {
        keeper.commit(trainer, false, observer)?;
        // A folder that cannot be written to is told before the first step, not after.
        note_checkpoint(observer, keeper.writer.flush()?)?;
    }
    // Of the step that was finished last: the step after it, if that is queued already, or the wish to
    // stop here, if that was asked for already.
    let (mut ahead, mut wish) = (None, None);
    loop {
        if let Some(keeper) = &mut keeper {
            note_checkpoint(observer, keeper.writer.poll()?)?;
        }
        let pending = match ahead.take() {
            Some(queued) => queued,
            None => {
                if trainer.is_finished() {
                    return Ok(match trainer.early_stopping().triggered {
                        true => Outcome::StoppedEarly,
                        false => Outcome::Completed,
                    });
                }
                let reason = match wish.take() {
                    None => stop(trainer, stop_after, observer)?,
                    known => known,
                };
                if let Some(reason) = reason {
                    if let Some(keeper) = &mut keeper
                        && !keeper.committed
                    {
                        keeper.commit(trainer, false, observer)?;
                    }
                    return Ok(Outcome::Stopped(reason));
                }
                trainer.queue_step()
            }
        };
        let Some(pending) = pending? else {
            continue;
        };
        if let Some(keeper) = &mut keeper {
            keeper.committed = false;
        }

        // The device need not wait for this step's figures to be read and noted.
        let keeps = keeper
            .as_ref()
            .is_some_and(|keeper| due(trainer, keeper.policy));
        if !keeps && trainer.can_queue_after(&pending) {
            wish = stop(trainer, stop_after, observer)?;
            if wish.is_none() {
                // An error of its own comes after those of this one.
                ahead = Some(trainer.queue_step());
            }
        }
        let report = trainer.finish_step(pending)?;
        let epoch_end = report.epoch_end.clone();
        note(observer, &Event::Step(report))?;
        let improved = epoch_end.as_ref().is_some_and(|end| end.improved);
        if let Some(end) = epoch_end {
            note(observer, &Event::Epoch(end))?;
        }
        if let Some(keeper) = &mut keeper
            && ahead.is_none()
            && (improved || trainer.is_finished() || due(trainer, keeper.policy))
        {
            keeper.commit(trainer, improved, observer)?;
        }
    }
}

/// Whether to stop here, and why: the first reason of any process.
fn stop<B: AutodiffBackend, T: Task<B>, O: Observer>(
    trainer: &Trainer<B, T>,
    stop_after: Option<u64>,
    observer: &mut O,
) -> Result<Option<StopReason>, TrainerError> {
    let reached = stop_after.is_some_and(|step| trainer.global_step() >= step);
    let own = match reached {
        true => Some(StopReason::StepReached),
        false => observer.stop(),
    };
    if trainer.ranks().size() == 1 {
        return Ok(own);
    }
    let what = format!("wish to stop before step {}", trainer.global_step() + 1);
    let own: Vec<u8> = own.map(StopReason::code).into_iter().collect();
    let wishes = trainer.ranks().exchange(&what, own)?;
    Ok(wishes.concat().into_iter().find_map(StopReason::of_code))
}

fn due<B: AutodiffBackend, T: Task<B>>(trainer: &Trainer<B, T>, policy: &CheckpointPolicy) -> bool {
    let every = |count: u64, interval: u64| interval != 0 && count.is_multiple_of(interval);
    every(trainer.global_step(), policy.every_steps)
        || trainer.at_epoch_end() && every(trainer.epoch(), policy.every_epochs)
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
