use std::{
    sync::mpsc::{Receiver, Sender, TryRecvError, channel},
    thread::Scope,
};

use burn::tensor::backend::Backend;
use dacapo_record::Storage;

use crate::{CheckpointPolicy, Event, RunFolder, TrainerError, TrainerRecord};

/// A checkpoint to commit.
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) step: u64,
    pub(crate) record: TrainerRecord,
    pub(crate) best: bool,
}

/// Commits checkpoints on a thread of its own, one after the other, while the next step is
/// computed: a commit is mostly waiting for the disk.
///
/// At most one is under way, so that a slow disk slows the run down and never piles up
/// records. Whoever lets go of the run first calls [`flush`](Self::flush).
pub(crate) struct CheckpointWriter {
    jobs: Sender<Job>,
    done: Receiver<Result<Event, TrainerError>>,
    under_way: bool,
}

impl CheckpointWriter {
    /// A writer to `folder` that lives as long as `scope`.
    pub(crate) fn spawn<'scope, 'env, B: Backend, S: Storage + Sync>(
        scope: &'scope Scope<'scope, 'env>,
        folder: &'env RunFolder<S>,
        policy: &'env CheckpointPolicy,
    ) -> Self {
        let (jobs, incoming) = channel::<Job>();
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
    pub(crate) fn submit(&mut self, job: Job) -> Result<Option<Event>, TrainerError> {
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

fn commit<B: Backend, S: Storage>(
    folder: &RunFolder<S>,
    policy: &CheckpointPolicy,
    job: Job,
) -> Result<Event, TrainerError> {
    let Job {
        name,
        step,
        record,
        best,
    } = job;
    folder.save::<B>(&name, record, best)?;
    folder.prune(policy)?;
    Ok(Event::Checkpoint { name, step, best })
}
