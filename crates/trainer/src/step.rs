//! One optimizer step.

use std::{collections::BTreeMap, ops::Range};

use burn::{
    module::AutodiffModule,
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use dacapo_rng::{DropoutKey, Stream};

use crate::{
    BatchPerturbation, EpochReport, EpochRow, PartialEpoch, Perturbation, PerturbationKind,
    ResetOptimizer, ScheduleUnit, StepContext, StepReport, Task, Trainer, TrainerError,
    hashes::frozen_hashes, metrics::check_monitor, module_state, trainer::epoch_checkpoint,
};

type FlatTensors<B> = BTreeMap<String, Tensor<<B as AutodiffBackend>::InnerBackend, 1>>;

/// What a step's examples gave.
struct Gradients<B: AutodiffBackend> {
    /// Of each batch, with the number of its examples.
    losses: Vec<(Tensor<B::InnerBackend, 1>, usize)>,
    grads: FlatTensors<B>,
    examples: usize,
}

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
        let lr_factor = match self.disturbed(PerturbationKind::LearningRate, step) {
            Some(perturbation) => self.scheduler.factor() * perturbation.factor.unwrap_or(1.0),
            None => self.scheduler.factor(),
        };
        let params = module_state::flat(&self.model, &self.trainable_paths, None);
        let stepped = self.optimizer.step_deferred(params, grads, lr_factor);
        let report = stepped.map(|(params, report)| {
            self.model = module_state::set_flat(self.model.clone(), params);
            report
        });
        let next = self.step_from(self.position + examples);
        if !next.is_empty() {
            self.task.prefetch(&self.order[next]);
        }
        // Read once everything is queued, so that a GPU need not wait for the next step. A loss that
        // is not finite explains what the optimizer refuses, too.
        let loss = mean_loss(step, losses, examples)?;
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
    fn step_from(&self, position: usize) -> Range<usize> {
        let last = position.saturating_add(self.settings.examples_per_step());
        position..self.examples_per_epoch().min(last)
    }

    /// Losses and gradients of the next step's examples, these averaged over them.
    fn gradients(&mut self, step: u64) -> Result<Gradients<B>, TrainerError> {
        let examples = &self.order[self.step_from(self.position)];
        let total = examples.len();
        let mut perturbation = self
            .settings
            .perturbation
            .as_ref()
            .filter(|perturbation| perturbation.kind.is_of_batch() && perturbation.is_active(step))
            .map(|perturbation| BatchPerturbation {
                kind: perturbation.kind,
                stream: Stream::keyed(perturbation.seed, Perturbation::STREAM, step),
            });
        let (seed, stream) = match self.disturbed(PerturbationKind::DropoutSeed, step) {
            Some(perturbation) => (perturbation.seed, Perturbation::STREAM),
            None => (self.rng.seed(), "dropout"),
        };
        let mut losses = Vec::new();
        let mut sum = BTreeMap::new();
        for (index, batch) in examples.chunks(self.settings.batch_size).enumerate() {
            let mut context = StepContext {
                dropout: DropoutKey::new(seed, stream, step - self.dropout_from, index as u32),
                rng: &mut self.rng,
                perturbation: perturbation.as_mut(),
            };
            let mut loss = self
                .task
                .loss(&self.model, batch, &mut context)
                .map_err(|source| TrainerError::Task { step, source })?;
            losses.push((loss.clone().inner(), batch.len()));
            if batch.len() != total {
                loss = loss.mul_scalar(batch.len() as f64 / total as f64);
            }
            let grads =
                module_state::flat(&self.model, &self.trainable_paths, Some(&loss.backward()));
            for (path, grad) in grads {
                let grad = match sum.remove(&path) {
                    Some(sum) => grad.add(sum),
                    None => grad,
                };
                sum.insert(path, grad);
            }
        }
        Ok(Gradients {
            losses,
            grads: sum,
            examples: total,
        })
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
fn mean_loss<B: Backend>(
    step: u64,
    losses: Vec<(Tensor<B, 1>, usize)>,
    examples: usize,
) -> Result<f64, TrainerError> {
    let mut sum = 0.0;
    for (loss, examples) in losses {
        let value = loss.into_data().iter::<f64>().next().unwrap_or(f64::NAN);
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
