use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
};

use burn::tensor::backend::Backend;
use dacapo_record::{CheckpointStore, FsStorage, Lock, Pin, RecordError, Storage, Tree, commit};

use crate::{
    CheckpointPolicy, Examined, TrainerError, TrainerRecord, history_csv, payload::payload_tree,
};

const LATEST: &str = "latest";
const BEST: &str = "best";

/// A run on disk: `checkpoints/`, the pointers `latest` and `best`, and `history.csv`.
pub struct RunFolder<S = FsStorage> {
    root: PathBuf,
    store: CheckpointStore<S>,
    lock: OnceLock<Lock>,
}

impl RunFolder {
    /// The pointer to the checkpoint to resume from.
    pub const LATEST: &'static str = LATEST;
    /// The pointer to the checkpoint with the best metric.
    pub const BEST: &'static str = BEST;

    /// The run in this folder, which need not hold a checkpoint yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::on(root, FsStorage)
    }
}

impl<S: Storage> RunFolder<S> {
    /// The run in this folder of a storage.
    pub fn on(root: impl Into<PathBuf>, storage: S) -> Self {
        let root = root.into();
        Self {
            store: CheckpointStore::new(&root, storage),
            root,
            lock: OnceLock::new(),
        }
    }

    /// Keeps other processes from working in this folder, which is made if it is not there,
    /// for as long as this value lives. `holder` is what they are told, as in "process 12 on
    /// host". Held already, nothing changes.
    ///
    /// Take it before reading the state to go on from; reading alone needs no lock.
    ///
    /// # Errors
    /// A folder that another process holds, or that cannot be locked.
    pub fn lock(&self, holder: &str) -> Result<(), TrainerError> {
        if self.lock.get().is_none() {
            // Of two threads at once, the second is refused by the first one's lock.
            let _ = self.lock.set(self.store.lock(holder)?);
        }
        Ok(())
    }

    /// [`lock`](Self::lock), held by this process.
    pub(crate) fn lock_for_this_process(&self) -> Result<(), TrainerError> {
        self.lock(&format!("process {}", process::id()))
    }

    /// Refuses to go on in a folder that was removed or renamed since it was locked.
    ///
    /// # Errors
    /// A folder that is not where it was.
    pub(crate) fn check_in_place(&self) -> Result<(), TrainerError> {
        match self.lock.get() {
            Some(lock) => Ok(lock.check()?),
            None => Ok(()),
        }
    }

    /// What to tell of `error`: a folder that goes away makes any operation fail.
    pub(crate) fn cause(&self, error: TrainerError) -> TrainerError {
        if let Err(vanished) = self.check_in_place() {
            return vanished;
        }
        // No other process works in a locked folder: it is being removed, its lock not yet.
        match error {
            TrainerError::Record(RecordError::Io { source, .. })
                if self.lock.get().is_some() && source.kind() == ErrorKind::NotFound =>
            {
                let path = self.root.clone();
                RecordError::Vanished { path }.into()
            }
            error => error,
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
        Ok(self.store.pointer(LATEST)?)
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
        Ok(self.store.pointer(BEST)?)
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

    /// The committed checkpoints in the order of their steps, each read and checked.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn examine(&self) -> Result<Vec<Examined>, TrainerError> {
        let examined = self
            .checkpoints()?
            .into_iter()
            .map(|(_, _, name)| Examined {
                record: self.load(&name).map(Box::new),
                name,
            });
        Ok(examined.collect())
    }

    /// The checkpoints and pointers, for programs that mend a folder.
    pub fn store(&self) -> &CheckpointStore<S> {
        &self.store
    }

    /// Keeps the checkpoint `name` from being removed on behalf of the branch `run_id` in
    /// `folder`.
    ///
    /// # Errors
    /// A checkpoint that is not there, a failure to write.
    pub fn pin(&self, name: &str, run_id: &str, folder: &Path) -> Result<(), TrainerError> {
        Ok(self.store.pin(name, run_id, &folder.to_string_lossy())?)
    }

    /// What keeps checkpoints for branches.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn pins(&self) -> Result<Vec<Pin>, TrainerError> {
        Ok(self.store.pins()?)
    }

    /// Takes over a checkpoint of another run, and points `best` to it.
    ///
    /// # Errors
    /// A file that is missing or damaged, a failure to write.
    pub fn take_best(&self, from: &Self, name: &str) -> Result<(), TrainerError> {
        self.store.save(name, from.store.load(name)?)?;
        self.store.set_pointer(BEST, name)?;
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

    /// Every leaf of a checkpoint of this run by its path: compare two with
    /// [`Tree::diff`], leaving out [`TrainerRecord::INFORMATIONAL`].
    ///
    /// # Errors
    /// A file that is missing, damaged or foreign.
    pub fn tree(&self, name: &str) -> Result<Tree, TrainerError> {
        payload_tree(&self.checkpoint(name)?, &self.store.load(name)?)
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
        self.check_in_place()?;
        let history = history_csv(&record.run.history, record.optimizer.config().lr());
        self.store.save(name, record.to_payload::<B>()?)?;
        if best {
            self.store.set_pointer(BEST, name)?;
        }
        // It changes once an epoch, and a commit waits for the disk twice.
        let path = self.root.join("history.csv");
        let storage = self.store.storage();
        if storage.read(&path).ok().as_deref() != Some(history.as_bytes()) {
            commit(storage, &path, history.as_bytes())?;
        }
        self.store.set_pointer(LATEST, name)?;
        Ok(())
    }

    /// Removes checkpoints that neither `policy` nor a pointer nor a branch wants kept.
    ///
    /// # Errors
    /// A failure to list or remove.
    pub fn prune(&self, policy: &CheckpointPolicy) -> Result<(), TrainerError> {
        let pins = self.pins()?;
        let pointed = [self.latest()?, self.best()?];
        let kept: Vec<&String> = pins
            .iter()
            .map(|pin| &pin.checkpoint)
            .chain(pointed.iter().flatten())
            .collect();
        let mut others: Vec<(u64, String)> = Vec::new();
        for name in self.store.list()? {
            let (epoch, step) = epoch_and_step(&name);
            let milestone = epoch.is_some_and(|epoch| {
                let every = |interval: u64| interval != 0 && epoch.is_multiple_of(interval);
                every(policy.every_epochs) && every(policy.keep_every_epochs)
            });
            let wanted = milestone || step.is_none_or(|step| step == 0);
            if !wanted && !kept.contains(&&name) {
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
