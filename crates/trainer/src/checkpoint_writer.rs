use std::{
    sync::mpsc::{Receiver, Sender, TryRecvError, channel},
    thread::Scope,
};

use burn::tensor::backend::AutodiffBackend;
use dacapo_record::Storage;

use crate::{CheckpointPolicy, Event, RunFolder, Snapshot, TrainerError};

/// A checkpoint to commit.
pub(crate) struct Job<B: AutodiffBackend> {
    pub(crate) name: String,
    pub(crate) step: u64,
    pub(crate) snapshot: Snapshot<B>,
    pub(crate) best: bool,
}

/// Reads checkpoints off the device, serialises and commits them on a thread of its own, one
/// after the other, while the next step is computed.
///
/// At most one is under way, so that a slow disk slows the run down and never piles up
/// states. Whoever lets go of the run first calls [`flush`](Self::flush).
pub(crate) struct CheckpointWriter<B: AutodiffBackend> {
    jobs: Sender<Job<B>>,
    done: Receiver<Result<Event, TrainerError>>,
    under_way: bool,
}

impl<B: AutodiffBackend> CheckpointWriter<B> {
    /// A writer to `folder` that lives as long as `scope`.
    pub(crate) fn spawn<'scope, 'env, S: Storage + Sync>(
        scope: &'scope Scope<'scope, 'env>,
        folder: &'env RunFolder<S>,
        policy: &'env CheckpointPolicy,
    ) -> Self
    where
        B: 'scope,
    {
        let (jobs, incoming) = channel::<Job<B>>();
        let (outgoing, done) = channel();
        scope.spawn(move || {
            for job in incoming {
                let committed = commit::<B, S>(folder, policy, job);
                if outgoing.send(committed).is_err() {
                    break;
                }
            }
        });
        Self {
            jobs,
            done,
            under_way: false,
        }
    }

    /// Hands a checkpoint over, once the one before is committed: that one's event, if it
    /// was still under way.
    pub(crate) fn submit(&mut self, job: Job<B>) -> Result<Option<Event>, TrainerError> {
        let before = self.flush()?;
        self.jobs.send(job).expect("the writer lives as long as we");
        self.under_way = true;
        Ok(before)
    }

    /// The event of a checkpoint that has been committed meanwhile.
    pub(crate) fn poll(&mut self) -> Result<Option<Event>, TrainerError> {
        match self.done.try_recv() {
            Ok(committed) => {
                self.under_way = false;
                committed.map(Some)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Ok(None),
        }
    }

    /// Waits until nothing is under way any more.
    pub(crate) fn flush(&mut self) -> Result<Option<Event>, TrainerError> {
        if !self.under_way {
            return Ok(None);
        }
        self.under_way = false;
        let committed = self.done.recv();
        committed
            .expect("the writer answers every checkpoint")
            .map(Some)
    }
}

fn commit<B: AutodiffBackend, S: Storage>(
    folder: &RunFolder<S>,
    policy: &CheckpointPolicy,
    job: Job<B>,
) -> Result<Event, TrainerError> {
    let Job {
        name,
        step,
        snapshot,
        best,
    } = job;
    let record = snapshot.into_record()?;
    let saved = folder.save::<B::InnerBackend>(&name, record, best);
    let done = saved.and_then(|()| folder.prune(policy));
    done.map_err(|error| folder.cause(error))?;
    Ok(Event::Checkpoint { name, step, best })
}
