//! One optimizer step.

use std::ops::Range;

use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};

use crate::{
    EpochReport, EpochRow, PartialEpoch, PerturbationKind, ResetOptimizer, ScheduleUnit,
    StepReport, Task, Trainer, TrainerError, hashes::frozen_hashes, metrics::check_monitor,
    module_state, pending_step::PendingStep, shard_gradients::Gradients, trainer::epoch_checkpoint,
};

impl<B: AutodiffBackend, T: Task<B>> Trainer<B, T> {
    /// One optimizer step, and the end of the epoch if it was the epoch's last; `None`
    /// when the run is finished.
    ///
    /// # Errors
    /// A loss, gradient or metric that is not finite; a trainable tensor without a
    /// gradient; a frozen tensor that changed. After an error the trainer must not be
    /// used further: its last checkpoint is the state to go on from.
    pub fn step(&mut self) -> Result<Option<StepReport>, TrainerError> {
        self.check_none_pending()?;
        let pending = self.queue_step()?;
        pending.map(|pending| self.finish_step(pending)).transpose()
    }

    /// Everything of the next step that can be done without waiting for the device; `None` when the run
    /// is finished. [`finish_step`](Self::finish_step) is to follow.
    ///
    /// The step before may still be pending, if it [lets](Self::can_queue_after) this one: it is then to be
    /// finished before another is queued.
    ///
    /// # Errors
    /// What goes wrong on the host. A step that is pending is then to be finished all the same: its own
    /// error comes first.
    pub(crate) fn queue_step(
        &mut self,
    ) -> Result<Option<PendingStep<B::InnerBackend>>, TrainerError> {
        assert!(self.pending_steps < 2, "two steps are in flight already");
        if self.is_finished() {
            return Ok(None);
        }
        if self.position == 0 && self.settings.reset_optimizer == ResetOptimizer::EveryEpoch {
            self.optimizer = self.fresh_optimizer()?;
        }

        let step = self.global_step + 1;
        let Gradients {
            losses,
            grads,
            examples,
        } = self.gradients(step)?;
        let lr_factor = match self
            .settings
            .disturbed(PerturbationKind::LearningRate, step)
        {
            Some(perturbation) => self.scheduler.factor() * perturbation.factor.unwrap_or(1.0),
            None => self.scheduler.factor(),
        };
        let params = module_state::flat(&*self.model, &self.trainable_paths, None);
        let stepped = self.optimizer.step_deferred(params, grads, lr_factor);
        let report = stepped.map(|(params, report)| {
            self.model
                .replace(|model| module_state::set_flat(model, params));
            report
        });
        let losses = losses.queue_read();

        if self.settings.schedule_unit == ScheduleUnit::Step {
            self.scheduler.tick();
        }
        self.global_step = step;
        self.position += examples;
        self.pending_steps += 1;
        let next = self.own_examples(self.position);
        if !next.is_empty() {
            self.task.prefetch(&next);
        }
        Ok(Some(PendingStep {
            step,
            epoch: self.epoch + 1,
            position: self.position,
            examples,
            lr_factor,
            losses,
            report,
        }))
    }

    /// Whether the step after `pending`, which was queued last, depends on none of its figures, and on
    /// nothing that [`finish_step`](Self::finish_step) does.
    pub(crate) fn can_queue_after(&self, pending: &PendingStep<B::InnerBackend>) -> bool {
        let in_epoch = pending.position < self.examples_per_epoch();
        let proved = self.frozen.is_none();
        in_epoch && proved && pending.report.is_ok() && self.ranks.size() == 1
    }

    /// Waits for a step's figures, and ends the epoch if it was the epoch's last.
    ///
    /// # Errors
    /// Those of [`step`](Self::step), which are the same whether or not another step is queued.
    pub(crate) fn finish_step(
        &mut self,
        pending: PendingStep<B::InnerBackend>,
    ) -> Result<StepReport, TrainerError> {
        let PendingStep {
            step,
            epoch,
            position,
            examples,
            lr_factor,
            losses,
            report,
        } = pending;
        // A loss that is not finite explains what the optimizer refuses, too.
        let loss = losses.wait(step, examples)?;
        let report = report?.wait()?;
        self.partial_epoch.loss_sum += loss * examples as f64;
        self.partial_epoch.examples += examples as u64;
        self.check_frozen()?;

        let epoch_end = match position == self.examples_per_epoch() {
            true => Some(self.end_epoch(lr_factor)?),
            false => None,
        };
        self.pending_steps -= 1;
        Ok(StepReport {
            step,
            epoch,
            position,
            loss,
            grad_norm: report.grad_norm,
            lr_factor,
            epoch_end,
        })
    }

    /// Places in the epoch's order of the examples of the step that begins at `position`.
    pub(crate) fn step_from(&self, position: usize) -> Range<usize> {
        let last = position.saturating_add(self.settings.examples_per_step());
        position..self.examples_per_epoch().min(last)
    }

    fn end_epoch(&mut self, lr_factor: f64) -> Result<EpochReport, TrainerError> {
        let mut metrics =
            self.task
                .evaluate(&self.model.valid())
                .map_err(|source| TrainerError::Task {
                    step: self.global_step,
                    source,
                })?;
        metrics.insert(
            "train_loss".to_owned(),
            self.partial_epoch.loss_sum / self.partial_epoch.examples as f64,
        );
        if let Some((what, value)) = metrics.iter().find(|(_, value)| !value.is_finite()) {
            return Err(TrainerError::NotFinite {
                step: self.global_step,
                what: what.clone(),
                value: *value,
            });
        }
        let monitor = &self.settings.early_stopping.monitor;
        check_monitor(monitor, metrics.keys())?;
        let watched = metrics[monitor];
        self.check_agreement(&metrics)?;
        if self.settings.schedule_unit == ScheduleUnit::Epoch {
            self.scheduler.tick();
        }
        self.epoch += 1;
        self.position = 0;
        self.partial_epoch = PartialEpoch::default();
        self.order = self.epoch_order();
        let row = EpochRow {
            epoch: self.epoch,
            step: self.global_step,
            lr_factor,
            metrics,
        };
        self.history.push(row.clone());
        let name = epoch_checkpoint(self.epoch, self.global_step);
        let improved = self.early_stopping.observe(watched, self.epoch, &name);
        Ok(EpochReport { row, improved })
    }

    /// After the first step of a process: nothing but parameters and buffers may have
    /// moved, or a checkpoint would lose it.
    fn check_frozen(&mut self) -> Result<(), TrainerError> {
        let Some(before) = self.frozen.take() else {
            return Ok(());
        };
        let now = frozen_hashes(&self.task, &self.model, &self.trainable_paths);
        match before
            .iter()
            .find(|(path, hash)| now.get(*path) != Some(hash))
        {
            Some((path, _)) => Err(TrainerError::FrozenChanged { path: path.clone() }),
            None => Ok(()),
        }
    }
}
