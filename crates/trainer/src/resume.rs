//! Going on from a record: everything is checked before anything is used.

use burn::tensor::backend::AutodiffBackend;
use dacapo_optim::{ParamSpec, Scheduler};
use dacapo_rng::RngHub;

use crate::{
    EpochRow, Identity, LineageEvent, Task, Trainer, TrainerError, TrainerRecord, TrainerSettings,
    hashes::order_key, metrics::known_metrics, module_state,
};

const OTHER_RUN: &str = "The checkpoint belongs to another run: resume it with the \
    configuration, model and data that it was made with";

impl<B: AutodiffBackend, T: Task<B>> Trainer<B, T> {
    /// Goes on exactly where `record` stopped.
    ///
    /// `task`, `model`, `settings` and `rng` are built as for [`Trainer::new`]; whatever
    /// the model's trainable tensors and buffers and the streams hold is replaced by the
    /// record's.
    ///
    /// # Errors
    /// Any part of the record that is missing, unexpected or of another shape, dtype or
    /// value than this program needs; another identity, unless `allow_identity_change`
    /// accepts it (never another base: its state means nothing elsewhere).
    #[expect(
        clippy::too_many_arguments,
        reason = "what `new` takes, the record and a consent"
    )]
    pub fn resume(
        task: T,
        model: T::Model,
        settings: TrainerSettings,
        identity: Identity,
        rng: RngHub,
        device: B::Device,
        record: TrainerRecord,
        allow_identity_change: bool,
    ) -> Result<Self, TrainerError> {
        let restored = RngHub::from_record(&record.rng)?;
        let names: Vec<&str> = rng.names().collect();
        restored.expect_streams(&names)?;
        same("rng.seed", &rng.seed(), &restored.seed())?;
        let mut trainer = Self::new(task, model, settings, identity, rng, device)?;
        trainer.restore(record, restored, allow_identity_change)?;
        Ok(trainer)
    }

    /// Replaces the state of a run at its start by `record`'s, whose streams are `restored`.
    pub(crate) fn restore(
        &mut self,
        record: TrainerRecord,
        restored: RngHub,
        allow_identity_change: bool,
    ) -> Result<(), TrainerError> {
        let accepted = self.check_identity(&record, allow_identity_change)?;
        self.check_data(&record)?;
        self.check_run(&record)?;

        module_state::check_tensors("adapters", &self.trainable, &record.adapters, OTHER_RUN)?;
        let module = burn::module::AutodiffModule::valid(&*self.model);
        let buffers = module_state::tensors(&module, |path| self.task.is_buffer(path))
            .into_iter()
            .map(|(path, data)| (path, ParamSpec::new(data.shape.to_vec(), data.dtype)))
            .collect();
        module_state::check_tensors("buffers", &buffers, &record.buffers, OTHER_RUN)?;

        self.rng = restored;
        self.optimizer = self.optimizer_from(&record.optimizer)?;
        self.scheduler = Scheduler::from_record(&record.scheduler, &self.settings.schedule)?;
        self.model
            .replace(|model| module_state::set_data(model, &record.adapters));
        self.model
            .replace(|model| module_state::set_data(model, &record.buffers));
        self.early_stopping = record.early_stopping;
        self.run_id = record.run.run_id;
        self.lineage = record.run.lineage;
        self.lineage.extend(accepted);
        self.history = record.run.history;
        self.partial_epoch = record.run.partial_epoch;
        self.global_step = record.run.global_step;
        Ok(())
    }

    /// The accepted change of identity, if there is one.
    fn check_identity(
        &self,
        record: &TrainerRecord,
        allow_change: bool,
    ) -> Result<Option<LineageEvent>, TrainerError> {
        let identity_changes = record.identity.changes(&self.identity);
        let never = [
            (
                "base_hash",
                "Use the base that the run was started with: its adapters mean nothing on another",
            ),
            (
                "config_hash",
                "Resume with the settings that the run was started with; other settings are \
                 another run",
            ),
        ];
        for (key, next) in never {
            if let Some(change) = identity_changes.iter().find(|change| change.key == key) {
                return Err(TrainerError::state(
                    format!("identity.{key}"),
                    &change.recorded,
                    &change.current,
                    next,
                ));
            }
        }
        match (identity_changes.is_empty(), allow_change) {
            (true, _) => Ok(None),
            (false, false) => Err(TrainerError::Identity {
                changes: identity_changes,
            }),
            (false, true) => Ok(Some(LineageEvent {
                step: record.run.global_step,
                identity_changes,
                imported: None,
                forked: None,
            })),
        }
    }

    fn check_data(&mut self, record: &TrainerRecord) -> Result<(), TrainerError> {
        let data = &record.data;
        same("data.fingerprint", &self.fingerprint, &data.fingerprint)?;
        same("data.len", &(self.task.train_len() as u64), &data.len)?;
        self.epoch = data.epoch;
        self.order = self.epoch_order();
        same(
            "data.permutation_key",
            &order_key(&self.order),
            &data.permutation_key,
        )?;
        if data.position >= self.examples_per_epoch() as u64 {
            return Err(TrainerError::state(
                "data.position",
                format!(
                    "less than the epoch's {} examples",
                    self.examples_per_epoch()
                ),
                data.position,
                OTHER_RUN,
            ));
        }
        self.position = data.position as usize;
        Ok(())
    }

    fn check_run(&self, record: &TrainerRecord) -> Result<(), TrainerError> {
        let (run, stopping) = (&record.run, &record.early_stopping);
        same(
            "run.training_run",
            &self.settings.training_run,
            &run.training_run,
        )?;
        same(
            "run.reset_optimizer",
            &self.settings.reset_optimizer.scenario(),
            &run.reset_optimizer.scenario(),
        )?;
        // They follow from what has been compared already: another value was put there.
        same("run.run_id", &self.run_id, &run.run_id)?;
        same_option("run.parent", &self.settings.parent, &run.parent)?;
        let perturbation = self.settings.perturbation.as_ref();
        let perturbation = perturbation.map(ToString::to_string);
        same_option("run.perturbation", &perturbation, &run.perturbation)?;
        same(
            "run.history (rows)",
            &record.data.epoch,
            &(run.history.len() as u64),
        )?;
        self.check_history(&run.history)?;
        same(
            "run.partial_epoch.examples",
            &record.data.position,
            &run.partial_epoch.examples,
        )?;
        let there = stopping.best.is_some();
        for (path, found) in [
            ("early_stopping.best_epoch", stopping.best_epoch.is_some()),
            (
                "early_stopping.best_checkpoint",
                stopping.best_checkpoint.is_some(),
            ),
        ] {
            if there != found {
                let show = |there| if there { "a value" } else { "nothing" };
                let expected = format!("{}, as in early_stopping.best", show(there));
                return Err(TrainerError::state(path, expected, show(found), OTHER_RUN));
            }
        }
        if stopping.config != self.settings.early_stopping {
            return Err(TrainerError::state(
                "early_stopping.config",
                format!("{:?}", self.settings.early_stopping),
                format!("{:?}", stopping.config),
                OTHER_RUN,
            ));
        }
        Ok(())
    }

    /// Every row must hold every metric: `history.csv` is made from them.
    pub(crate) fn check_history(&self, history: &[EpochRow]) -> Result<(), TrainerError> {
        let Some(first) = history.first() else {
            return Ok(());
        };
        let known =
            known_metrics(&self.task).unwrap_or_else(|| first.metrics.keys().cloned().collect());
        for (index, row) in history.iter().enumerate() {
            let path = |name: &str| format!("run.history[{index}].metrics.{name}");
            if let Some(name) = known.iter().find(|name| !row.metrics.contains_key(*name)) {
                let next = OTHER_RUN;
                return Err(TrainerError::state(path(name), "a number", "nothing", next));
            }
            if let Some(name) = row.metrics.keys().find(|name| !known.contains(*name)) {
                let expected = "no such metric of this task";
                return Err(TrainerError::state(
                    path(name),
                    expected,
                    "a number",
                    OTHER_RUN,
                ));
            }
        }
        Ok(())
    }
}

/// Refuses another value than `expected`, which may be none.
fn same_option<V: PartialEq + std::fmt::Debug>(
    path: &str,
    expected: &Option<V>,
    found: &Option<V>,
) -> Result<(), TrainerError> {
    let show = |value: &Option<V>| match value {
        Some(value) => format!("{value:?}"),
        None => "nothing".to_owned(),
    };
    match expected == found {
        true => Ok(()),
        false => Err(TrainerError::state(
            path,
            show(expected),
            show(found),
            OTHER_RUN,
        )),
    }
}

fn same<V: PartialEq + std::fmt::Display>(
    path: &str,
    expected: &V,
    found: &V,
) -> Result<(), TrainerError> {
    match expected == found {
        true => Ok(()),
        false => Err(TrainerError::state(path, expected, found, OTHER_RUN)),
    }
}
