//! Going back to a state, whole or with a part of it left out: what an ablation is made of.

use std::collections::BTreeMap;

use burn::{
    module::AutodiffModule,
    tensor::{TensorData, backend::AutodiffBackend},
};
use dacapo_optim::{OptimizerRecord, Scheduler};
use dacapo_rng::RngHub;

use crate::{EarlyStopping, Omission, Task, Trainer, TrainerError, TrainerRecord, module_state};

impl<B: AutodiffBackend, T: Task<B>> Trainer<B, T> {
    /// Goes back to a state that this run was in, or one of the same settings, model and data.
    ///
    /// # Errors
    /// Those of [`Trainer::resume`], which it otherwise equals. After an error the trainer must
    /// not be used further.
    pub fn rewind(&mut self, record: TrainerRecord) -> Result<(), TrainerError> {
        let restored = RngHub::from_record(&record.rng)?;
        let names: Vec<&str> = self.rng.names().collect();
        restored.expect_streams(&names)?;
        self.lineage.clear();
        self.shuffle_from = 0;
        self.dropout_from = 0;
        self.restore(record, restored, false)
    }

    /// Every trainable tensor, by path.
    pub fn adapters(&self) -> BTreeMap<String, TensorData> {
        module_state::tensors(&self.model.valid(), |path| {
            self.trainable_paths.contains(path)
        })
    }

    /// Loses a part of the state, as a program that does not save it would on resuming here;
    /// `start` is the state that this run began with.
    ///
    /// For ablations: a run that goes on from here is no run to keep. Its checkpoints could not
    /// be told from whole ones, and [`run`](crate::run) refuses it where they would lack a part
    /// of the state.
    ///
    /// # Errors
    /// A `start` of another run.
    pub fn omit(&mut self, omission: Omission, start: &TrainerRecord) -> Result<(), TrainerError> {
        match omission {
            Omission::Nothing => {}
            Omission::Moments => self.edit_optimizer(|record| match record {
                OptimizerRecord::AdamW(record) => {
                    for moments in record.params.values_mut() {
                        clear(&mut moments.exp_avg);
                        clear(&mut moments.exp_avg_sq);
                        moments.max_exp_avg_sq.as_mut().map(clear);
                    }
                }
                OptimizerRecord::Sgd(record) => {
                    for momentum in record.params.values_mut() {
                        momentum.momentum_buffer.as_mut().map(clear);
                    }
                }
            })?,
            Omission::OptimizerStep => self.edit_optimizer(|record| match record {
                OptimizerRecord::AdamW(record) => {
                    record.params.values_mut().for_each(|state| state.step = 0);
                }
                // A buffer belongs to a step; the counter does nothing else.
                OptimizerRecord::Sgd(record) => {
                    for state in record.params.values_mut() {
                        state.step = state.step.min(1);
                    }
                }
            })?,
            Omission::Optimizer => self.optimizer = self.fresh_optimizer()?,
            Omission::Scheduler => self.scheduler = Scheduler::new(self.settings.schedule)?,
            Omission::Shuffle => {
                self.shuffle_from = self.epoch;
                self.order = self.epoch_order();
            }
            Omission::Dropout => self.dropout_from = self.global_step,
            Omission::Streams => self.rng = RngHub::from_record(&start.rng)?,
            Omission::EarlyStopping => {
                self.early_stopping = EarlyStopping::new(self.settings.early_stopping.clone());
            }
            Omission::Magnitude => {
                let mut magnitudes = start.adapters.clone();
                magnitudes.retain(|path, _| path.ends_with(".magnitude"));
                self.model
                    .replace(|model| module_state::set_data(model, &magnitudes));
            }
            Omission::Buffers => {
                self.model
                    .replace(|model| module_state::set_data(model, &start.buffers));
            }
            Omission::GlobalStep => self.global_step = 0,
            Omission::History => self.history.clear(),
        }
        Ok(())
    }

    /// Refuses a run whose record would not lead on to the same bits.
    pub(crate) fn check_whole(&self) -> Result<(), TrainerError> {
        self.check_none_pending()?;
        match (self.shuffle_from, self.dropout_from) {
            (0, 0) => Ok(()),
            _ => Err(TrainerError::state(
                "rng",
                "every stream's own position",
                "streams that an ablation has moved",
                "Train a run that nothing was left out of",
            )),
        }
    }

    fn edit_optimizer(
        &mut self,
        edit: impl FnOnce(&mut OptimizerRecord),
    ) -> Result<(), TrainerError> {
        let mut record = self.optimizer.to_record()?;
        edit(&mut record);
        self.optimizer = self.optimizer_from(&record)?;
        Ok(())
    }
}

/// Zeros of the same shape and dtype.
fn clear(data: &mut TensorData) {
    data.bytes.iter_mut().for_each(|byte| *byte = 0);
}
