use std::path::{Path, PathBuf};

use burn::tensor::backend::Backend;
use dacapo_record::{CheckpointStore, FsStorage, commit};

use crate::{CheckpointPolicy, TrainerError, TrainerRecord, history_csv};

/// A run on disk: `checkpoints/`, the pointers `latest` and `best`, and `history.csv`.
pub struct RunFolder {
    root: PathBuf,
    store: CheckpointStore<FsStorage>,
}

impl RunFolder {
    /// The pointer to the checkpoint to resume from.
    pub const LATEST: &'static str = "latest";
    /// The pointer to the checkpoint with the best metric.
    pub const BEST: &'static str = "best";

    /// The run in this folder, which need not hold a checkpoint yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self {
            store: CheckpointStore::new(&root, FsStorage),
            root,
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of a checkpoint.
    ///
    /// # Errors
    /// A name that is no file name.
    pub fn checkpoint(&self, name: &str) -> Result<PathBuf, TrainerError> {
        Ok(self.store.path(name)?)
    }

    /// Name of the newest committed checkpoint.
    ///
    /// # Errors
    /// A pointer that is malformed or points to nothing.
    pub fn latest(&self) -> Result<Option<String>, TrainerError> {
        Ok(self.store.pointer(Self::LATEST)?)
    }

    /// The newest committed checkpoint.
    ///
    /// # Errors
    /// A pointer that is malformed or points to nothing, a file that is damaged, foreign or
    /// incomplete.
    pub fn load_latest(&self) -> Result<Option<TrainerRecord>, TrainerError> {
        self.latest()?.map(|name| self.load(&name)).transpose()
    }

    /// Name of the best checkpoint.
    ///
    /// # Errors
    /// A pointer that is malformed or points to nothing.
    pub fn best(&self) -> Result<Option<String>, TrainerError> {
        Ok(self.store.pointer(Self::BEST)?)
    }

    /// The committed checkpoints, in the order of their steps, with the epoch that each ended
    /// and its step; those that other programs have put there are left out.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn checkpoints(&self) -> Result<Vec<(Option<u64>, u64, String)>, TrainerError> {
        let mut found = Vec::new();
        for name in self.store.list()? {
            if let (epoch, Some(step)) = epoch_and_step(&name) {
                found.push((epoch, step, name));
            }
        }
        found.sort_by(|a, b| (a.1, &a.2).cmp(&(b.1, &b.2)));
        Ok(found)
    }

    /// Takes over a checkpoint of another run, and points `best` to it.
    ///
    /// # Errors
    /// A file that is missing or damaged, a failure to write.
    pub fn take_best(&self, from: &Self, name: &str) -> Result<(), TrainerError> {
        self.store.save(name, from.store.load(name)?)?;
        self.store.set_pointer(Self::BEST, name)?;
        Ok(())
    }

    /// Reads a checkpoint of this run.
    ///
    /// # Errors
    /// A file that is missing, damaged, foreign or incomplete.
    pub fn load(&self, name: &str) -> Result<TrainerRecord, TrainerError> {
        let payload = self.store.load(name)?;
        TrainerRecord::from_payload(&self.checkpoint(name)?, &payload)
    }

    /// Commits a checkpoint, then `best` if it is the best, then `history.csv`, then
    /// `latest`: whatever happens in between, `latest` names a whole checkpoint and
    /// resuming it rewrites the rest.
    ///
    /// # Errors
    /// A failure to write. What was committed before stays whole.
    pub fn save<B: Backend>(
        &self,
        name: &str,
        record: TrainerRecord,
        best: bool,
    ) -> Result<(), TrainerError> {
        let history = history_csv(&record.run.history, record.optimizer.config().lr());
        self.store.save(name, record.to_payload::<B>()?)?;
        if best {
            self.store.set_pointer(Self::BEST, name)?;
        }
        // It changes once an epoch, and a commit waits for the disk twice.
        let path = self.root.join("history.csv");
        if std::fs::read(&path).ok().as_deref() != Some(history.as_bytes()) {
            commit(&FsStorage, &path, history.as_bytes())?;
        }
        self.store.set_pointer(Self::LATEST, name)?;
        Ok(())
    }

    /// Removes checkpoints that neither `policy` nor a pointer wants kept.
    ///
    /// # Errors
    /// A failure to list or remove.
    pub fn prune(&self, policy: &CheckpointPolicy) -> Result<(), TrainerError> {
        let pointed = [self.latest()?, self.best()?];
        let mut others: Vec<(u64, String)> = Vec::new();
        for name in self.store.list()? {
            let (epoch, step) = epoch_and_step(&name);
            let milestone = epoch.is_some_and(|epoch| {
                policy.every_epochs != 0 && epoch.is_multiple_of(policy.every_epochs)
            });
            let wanted = milestone || step.is_none_or(|step| step == 0);
            if !wanted && !pointed.iter().flatten().any(|kept| *kept == name) {
                others.push((step.unwrap_or(0), name));
            }
        }
        others.sort();
        // The latest one is pointed to and counts as one of those kept.
        let keep = (policy.keep_last.max(1) - 1) as usize;
        for (_, name) in others.iter().rev().skip(keep) {
            self.store.remove(name)?;
        }
        Ok(())
    }
}

/// What a checkpoint's name says; foreign names say nothing and are left alone.
fn epoch_and_step(name: &str) -> (Option<u64>, Option<u64>) {
    let (epoch, rest) = match name.strip_prefix("epoch-") {
        Some(rest) => match rest.split_once('-') {
            Some((epoch, rest)) => (epoch.parse().ok(), rest),
            None => (None, ""),
        },
        None => (None, name),
    };
    let step = rest
        .strip_prefix("step-")
        .and_then(|step| step.parse().ok());
    (epoch, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_file_is_taken_for_a_checkpoint() {
        assert_eq!(epoch_and_step("step-00000012"), (None, Some(12)));
        assert_eq!(
            epoch_and_step("epoch-0003-step-00000012"),
            (Some(3), Some(12))
        );
        for name in ["mine", "step-x", "step-1.txt", "epoch-3"] {
            assert_eq!(epoch_and_step(name).1, None, "{name}");
        }
    }
}
