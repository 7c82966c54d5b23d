//! One optimizer step.

use std::ops::Range;

use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};

use crate::{
    EpochReport, EpochRow, PartialEpoch, PerturbationKind, ResetOptimizer, ScheduleUnit,
    StepReport, Task, Trainer, TrainerError, hashes::frozen_hashes, metrics::check_monitor,
    module_state, shard_gradients::Gradients, trainer::epoch_checkpoint,
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
        let params = module_state::flat(&self.model, &self.trainable_paths, None);
        let stepped = self.optimizer.step_deferred(params, grads, lr_factor);
        let report = stepped.map(|(params, report)| {
            self.model = module_state::set_flat(self.model.clone(), params);
            report
        });
        let next = self.own_examples(self.position + examples);
        if !next.is_empty() {
            self.task.prefetch(&next);
        }
        // Read once everything is queued, so that a GPU need not wait for the next step. A loss that
        // is not finite explains what the optimizer refuses, too.
        let loss = mean_loss(step, losses.read(), examples)?;
        let report = report?.wait()?;
        if self.settings.schedule_unit == ScheduleUnit::Step {
            self.scheduler.tick();
        }

        self.global_step = step;
        self.position += examples;
        self.partial_epoch.loss_sum += loss * examples as f64;
        self.partial_epoch.examples += examples as u64;
        self.check_frozen()?;

        let (epoch, position) = (self.epoch + 1, self.position);
        let epoch_end = match position == self.examples_per_epoch() {
            true => Some(self.end_epoch(lr_factor)?),
            false => None,
        };
        Ok(Some(StepReport {
            step,
            epoch,
            position,
            loss,
            grad_norm: report.grad_norm,
            lr_factor,
            epoch_end,
        }))
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

/// The mean over all examples.
fn mean_loss(step: u64, losses: Vec<(f64, usize)>, examples: usize) -> Result<f64, TrainerError> {
    let mut sum = 0.0;
    for (value, examples) in losses {
        if !value.is_finite() {
            return Err(TrainerError::NotFinite {
                step,
                what: "train_loss".to_owned(),
                value,
            });
        }
        sum += value * examples as f64;
    }
    Ok(sum / examples as f64)
}
