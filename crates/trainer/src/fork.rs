//! Branching a run off another one's state.

use burn::tensor::backend::AutodiffBackend;
use dacapo_optim::OptimizerRecord;
use dacapo_rng::RngHub;

use crate::{
    ForkSource, Identity, LineageEvent, Parent, SettingChange, Task, Trainer, TrainerError,
    TrainerRecord, TrainerSettings, hashes::order_key,
};

impl<B: AutodiffBackend, T: Task<B>> Trainer<B, T> {
    /// A branch of the run that `record` was taken from: its state, under these settings, which
    /// `changes` tells apart from the parent's.
    ///
    /// Nothing else changes. With the parent's settings the branch goes on as the parent would,
    /// to the bit; its id and its lineage tell them apart. Another seed moves every stream to
    /// the same position of another sequence.
    ///
    /// # Errors
    /// Those of [`Trainer::resume`]; another order of the data in the middle of an epoch, of
    /// which examples would be left out and seen twice; settings that the state cannot be
    /// carried over to, such as another optimizer.
    #[expect(
        clippy::too_many_arguments,
        reason = "what `resume` takes, and the changes"
    )]
    pub fn fork(
        task: T,
        model: T::Model,
        settings: TrainerSettings,
        identity: Identity,
        rng: RngHub,
        device: B::Device,
        mut record: TrainerRecord,
        changes: Vec<SettingChange>,
        allow_identity_change: bool,
    ) -> Result<Self, TrainerError> {
        // The parent's state, before anything of it is changed.
        let source = ForkSource {
            run_id: record.run.run_id.clone(),
            state_hash: record.clone().state_hash::<B::InnerBackend>()?,
            changes,
        };
        let mut restored = RngHub::from_record(&record.rng)?;
        let names: Vec<&str> = rng.names().collect();
        restored.expect_streams(&names)?;
        if rng.seed() != restored.seed() {
            let mut other = RngHub::new(rng.seed(), &names);
            for (name, stream) in &record.rng.streams {
                other.stream(name)?.seek(stream.position);
            }
            restored = other;
            record.rng = restored.to_record();
        }

        let mut trainer = Self::new(task, model, settings, identity, rng, device)?;
        trainer.settings.parent = Some(Parent {
            run_id: source.run_id.clone(),
            step: record.run.global_step,
        });
        trainer.run_id = trainer.id();
        trainer.take_settings(&mut record)?;
        record.run.lineage.push(LineageEvent {
            step: record.run.global_step,
            identity_changes: Vec::new(),
            imported: None,
            forked: Some(source),
        });
        trainer.restore(record, restored, allow_identity_change)?;
        Ok(trainer)
    }

    /// Puts this run's settings in place of those that `record` was made with.
    fn take_settings(&mut self, record: &mut TrainerRecord) -> Result<(), TrainerError> {
        let settings = &self.settings;
        match (&mut record.optimizer, &settings.optimizer) {
            (OptimizerRecord::AdamW(record), dacapo_optim::OptimizerConfig::AdamW(config)) => {
                record.config = config.clone();
            }
            (OptimizerRecord::Sgd(record), dacapo_optim::OptimizerConfig::Sgd(config)) => {
                record.config = config.clone();
            }
            // Restoring says which is which.
            _ => {}
        }
        record.scheduler.config = settings.schedule;
        let stopping = &mut record.early_stopping;
        stopping.config = settings.early_stopping.clone();
        stopping.triggered = stopping.is_due();
        let run = &mut record.run;
        run.training_run = settings.training_run;
        run.reset_optimizer = settings.reset_optimizer;
        run.parent = settings.parent.clone();
        run.perturbation = settings.perturbation.as_ref().map(ToString::to_string);
        run.config = settings.config.clone();
        run.run_id = self.run_id.clone();
        record.identity.config_hash = self.identity.config_hash.clone();

        self.epoch = record.data.epoch;
        let order = order_key(&self.epoch_order());
        if order != record.data.permutation_key && record.data.position > 0 {
            return Err(TrainerError::state(
                "data.permutation_key",
                format!(
                    "the order of an epoch of which {} examples are done",
                    record.data.position
                ),
                "another order",
                "Branch off the end of an epoch to change run.seed, train.shuffle or the order",
            ));
        }
        record.data.permutation_key = order;
        Ok(())
    }
}
