//! Going on from where another program stopped.

use burn::tensor::backend::AutodiffBackend;
use dacapo_optim::{Scheduler, SchedulerRecord};

use crate::{
    EarlyStopping, EpochRow, Imported, LineageEvent, Parent, PartialEpoch, ResetOptimizer,
    ScheduleUnit, Task, Trainer, TrainerError, hashes::short_hash, metrics::check_monitor,
    module_state, trainer::epoch_checkpoint,
};

const OTHER_RUN: &str = "Import with the model, adapters and settings that the other program \
    trained with";

impl<B: AutodiffBackend, T: Task<B>> Trainer<B, T> {
    /// Takes the place of another program at the end of an epoch, or begins with what it has
    /// trained, if there are no metrics of epochs; whatever this run held is replaced.
    ///
    /// Adapters and the optimizer's state are carried over bit for bit. Schedule, order of the
    /// data and dropout stand where they would if this run had made the epochs itself; the
    /// early-stopping counters follow from the metrics. The files that it is from are in the
    /// lineage, and the run's id tells it from one that began here.
    ///
    /// # Errors
    /// Adapters, metrics or an optimizer other than this run's; an optimizer that has taken
    /// another number of steps than the epochs hold; a model with buffers, which no import
    /// brings along. This run is then as it was.
    pub fn import(&mut self, imported: Imported) -> Result<(), TrainerError> {
        let Imported {
            source,
            adapters,
            optimizer,
            metrics,
        } = imported;
        let module = burn::module::AutodiffModule::valid(&*self.model);
        let buffers = module_state::tensors(&module, |path| self.task.is_buffer(path));
        if let Some(path) = buffers.keys().next() {
            return Err(TrainerError::state(
                format!("buffers.{path}"),
                "a value for it in what is imported",
                "nothing",
                "Import into a model without running statistics",
            ));
        }
        module_state::check_tensors("adapters", &self.trainable, &adapters, OTHER_RUN)?;

        let epoch = metrics.len() as u64;
        let steps_per_epoch = self.settings.steps_per_epoch(self.task.train_len());
        let optimizer = match optimizer {
            Some(record) => {
                let expected = self.optimizer_steps_after(epoch);
                for (path, step) in record.steps() {
                    if step != expected {
                        return Err(TrainerError::state(
                            format!("optimizer.params.{path}.step"),
                            format!(
                                "{expected}: {epoch} epochs of {steps_per_epoch} steps, the \
                                 optimizer's reset {:?}",
                                self.settings.reset_optimizer
                            ),
                            step,
                            "Set train.batch_size, train.drop_last, train.reset_optimizer and \
                             the split as the other program had them",
                        ));
                    }
                }
                self.optimizer_from(&record)?
            }
            None => self.fresh_optimizer()?,
        };

        let (history, early_stopping) = self.history_of(metrics, steps_per_epoch)?;
        let global_step = epoch * steps_per_epoch;
        let position = self.schedule_ticks_after(epoch);
        let config = self.settings.schedule;
        let scheduler = SchedulerRecord { config, position };
        self.scheduler = Scheduler::from_record(&scheduler, &self.settings.schedule)?;
        let files: Vec<&str> = source.files.values().map(String::as_str).collect();
        self.settings.parent = Some(Parent {
            run_id: format!("{}-{}", source.format, short_hash(&files)),
            step: global_step,
        });
        self.run_id = self.id();
        self.model
            .replace(|model| module_state::set_data(model, &adapters));
        self.optimizer = optimizer;
        self.history = history;
        self.early_stopping = early_stopping;
        self.partial_epoch = PartialEpoch::default();
        self.lineage = vec![LineageEvent {
            step: global_step,
            identity_changes: Vec::new(),
            imported: Some(source),
            forked: None,
        }];
        self.global_step = global_step;
        self.epoch = epoch;
        self.position = 0;
        self.order = self.epoch_order();
        Ok(())
    }

    /// How many steps the optimizer has taken when so many epochs are done, since it began or
    /// was reset.
    pub fn optimizer_steps_after(&self, epochs: u64) -> u64 {
        let counted = match self.settings.reset_optimizer {
            ResetOptimizer::Never => epochs,
            ResetOptimizer::EveryEpoch => epochs.min(1),
        };
        counted * self.settings.steps_per_epoch(self.task.train_len())
    }

    /// The schedule's position when so many epochs are done.
    pub fn schedule_ticks_after(&self, epochs: u64) -> u64 {
        match self.settings.schedule_unit {
            ScheduleUnit::Step => epochs * self.settings.steps_per_epoch(self.task.train_len()),
            ScheduleUnit::Epoch => epochs,
        }
    }

    /// The history, and the counters after it.
    fn history_of(
        &self,
        metrics: Vec<std::collections::BTreeMap<String, f64>>,
        steps_per_epoch: u64,
    ) -> Result<(Vec<EpochRow>, EarlyStopping), TrainerError> {
        let monitor = &self.settings.early_stopping.monitor;
        let mut stopping = EarlyStopping::new(self.settings.early_stopping.clone());
        let mut history = Vec::new();
        for (epoch, metrics) in (1..).zip(metrics) {
            if let Some((name, value)) = metrics.iter().find(|(_, value)| !value.is_finite()) {
                return Err(TrainerError::state(
                    format!("run.history[{}].metrics.{name}", epoch - 1),
                    "a finite number",
                    value,
                    OTHER_RUN,
                ));
            }
            check_monitor(monitor, metrics.keys())?;
            let step = epoch * steps_per_epoch;
            stopping.observe(metrics[monitor], epoch, &epoch_checkpoint(epoch, step));
            let last_tick = match self.settings.schedule_unit {
                ScheduleUnit::Step => step - 1,
                ScheduleUnit::Epoch => epoch - 1,
            };
            history.push(EpochRow {
                epoch,
                step,
                lr_factor: self.settings.schedule.factor(last_tick),
                metrics,
            });
        }
        self.check_history(&history)?;
        Ok((history, stopping))
    }
}
