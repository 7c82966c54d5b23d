use burn::tensor::backend::AutodiffBackend;
use dacapo_record::Storage;
use dacapo_rng::RngHub;

use crate::{
    CheckpointPolicy, Identity, Info, Observer, RunFolder, SettingChange, Task, Trainer,
    TrainerError, TrainerRecord, TrainerSettings, run,
};

/// What a [`Trainer`] is made of: the same for a run that starts, goes on or is branched off.
///
/// A part that is not what it was is refused by [`resume`](Self::resume), by name. To go on under
/// another identity takes one's consent: [`resume_as`](Self::resume_as) and [`fork`](Self::fork).
pub struct RunParts<B: AutodiffBackend, T: Task<B>> {
    /// What is trained, on what, and how it is judged.
    pub task: T,
    /// The model before its first step, adapters attached.
    pub model: T::Model,
    /// Everything that the trainer itself is told. `parent` is the record's, not the caller's.
    pub settings: TrainerSettings,
    /// What else can change bits.
    pub identity: Identity,
    /// The random streams: [`STREAMS`](crate::STREAMS) and the task's own.
    pub rng: RngHub,
    /// The device.
    pub device: B::Device,
}

impl<B: AutodiffBackend, T: Task<B>> RunParts<B, T> {
    /// The run before its first step.
    ///
    /// # Errors
    /// Those of [`Trainer::new`].
    pub fn start(self) -> Result<Trainer<B, T>, TrainerError> {
        let Self {
            task,
            model,
            settings,
            identity,
            rng,
            device,
        } = self;
        Trainer::new(task, model, settings, identity, rng, device)
    }

    /// The run in `folder`: from its newest checkpoint on, or before its first step where there is
    /// none. The folder is [locked](RunFolder::lock) from here on.
    ///
    /// # Errors
    /// A folder that another process works in, a checkpoint that cannot be read, and those of
    /// [`start`](Self::start) and [`resume`](Self::resume).
    pub fn open<S: Storage>(self, folder: &RunFolder<S>) -> Result<Trainer<B, T>, TrainerError> {
        folder.lock_for_this_process()?;
        match folder.load_latest()? {
            Some(record) => self.resume(record),
            None => self.start(),
        }
    }

    /// [`open`](Self::open), and [`run`](crate::run()) until it is [finished](Trainer::is_finished) or
    /// the observer stops it, with the default [`CheckpointPolicy`].
    ///
    /// # Errors
    /// Those of both.
    pub fn train<S: Storage + Sync>(
        self,
        folder: &RunFolder<S>,
        observer: &mut impl Observer,
    ) -> Result<Trainer<B, T>, TrainerError> {
        let mut trainer = self.open(folder)?;
        let policy = CheckpointPolicy::default();
        run(&mut trainer, folder, &policy, None, observer)?;
        Ok(trainer)
    }

    /// The run that `record` was taken from, a branch included.
    ///
    /// # Errors
    /// Those of [`Trainer::resume`]; another identity is one.
    pub fn resume(self, record: TrainerRecord) -> Result<Trainer<B, T>, TrainerError> {
        self.resume_as(record, false)
    }

    /// The same, under another identity if that is allowed.
    ///
    /// # Errors
    /// Those of [`Trainer::resume`].
    pub fn resume_as(
        mut self,
        record: TrainerRecord,
        allow_identity_change: bool,
    ) -> Result<Trainer<B, T>, TrainerError> {
        // No setting: its place is the record, where the run's id vouches for it.
        self.settings.parent = record.run.parent.clone();
        let Self {
            task,
            model,
            settings,
            identity,
            rng,
            device,
        } = self;
        Trainer::resume(
            task,
            model,
            settings,
            identity,
            rng,
            device,
            record,
            allow_identity_change,
        )
    }

    /// A branch off the run that `record` was taken from, under another identity if that is allowed;
    /// no folder knows of it. `changes` say for the lineage which of these settings are not the parent's.
    ///
    /// # Errors
    /// Those of [`Trainer::fork`].
    pub fn fork(
        self,
        record: TrainerRecord,
        changes: Vec<SettingChange>,
        allow_identity_change: bool,
    ) -> Result<Trainer<B, T>, TrainerError> {
        let Self {
            task,
            model,
            settings,
            identity,
            rng,
            device,
        } = self;
        Trainer::fork(
            task,
            model,
            settings,
            identity,
            rng,
            device,
            record,
            changes,
            allow_identity_change,
        )
    }

    /// A branch in the empty folder `folder` off the checkpoint `name` of the run in `from`.
    /// `changes` say for the lineage which of these settings are not the parent's.
    ///
    /// The checkpoint is [pinned](RunFolder::pin) in `from`, so that nothing prunes it, and the
    /// branch's first state is committed. If `from` still has the best checkpoint so far, the branch
    /// takes it over. The folder is [locked](RunFolder::lock) from here on.
    ///
    /// # Errors
    /// Those of [`Trainer::fork`], another identity included; a checkpoint that cannot be read; a
    /// folder that holds a run or that another process works in; a failure to write.
    pub fn branch<S: Storage>(
        self,
        from: &RunFolder<S>,
        name: &str,
        folder: &RunFolder<S>,
        changes: Vec<SettingChange>,
    ) -> Result<Trainer<B, T>, TrainerError> {
        folder.lock_for_this_process()?;
        if let Some(latest) = folder.latest()? {
            return Err(TrainerError::state(
                "latest",
                format!("no run in {}", folder.root().display()),
                format!("one with the checkpoint {latest}"),
                "Give the branch a folder of its own, or go on with the run that is there",
            ));
        }
        let trainer = self.fork(from.load(name)?, changes, false)?;
        // Before there is a branch, so that none is ever without.
        from.pin(name, trainer.run_id(), folder.root())?;
        let first = trainer.checkpoint_name();
        let best = trainer.early_stopping().best_checkpoint.clone();
        if let Some(best) = best.as_ref().filter(|best| **best != first)
            && from.checkpoints()?.iter().any(|(.., kept)| kept == best)
        {
            folder.take_best(from, best)?;
        }
        let record = trainer.to_record(Info::default())?;
        folder.save::<B::InnerBackend>(&first, record, best.as_ref() == Some(&first))?;
        Ok(trainer)
    }
}
