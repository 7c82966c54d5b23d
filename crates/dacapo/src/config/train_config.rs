use dacapo_trainer::{ResetOptimizer, ScheduleUnit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[train]`: the loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Epochs to train.
    pub epochs: u64,
    /// Examples in a micro-batch.
    pub batch_size: usize,
    /// Micro-batches in an optimizer step.
    pub accumulation: usize,
    /// Parts of a micro-batch that are computed one by one, whichever rank each is on; 1 for none.
    pub virtual_shards: usize,
    /// Whether every epoch has an order of its own.
    pub shuffle: bool,
    /// Whether an incomplete last micro-batch is left out.
    pub drop_last: bool,
    /// `never` (scenario A) or `every-epoch` (scenario B).
    pub reset_optimizer: ResetOptimizer,
    /// What moves the schedule on: `step` or `epoch`.
    pub schedule_unit: ScheduleUnit,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 15,
            batch_size: 32,
            accumulation: 1,
            virtual_shards: 1,
            shuffle: true,
            drop_last: false,
            reset_optimizer: ResetOptimizer::Never,
            schedule_unit: ScheduleUnit::Step,
        }
    }
}
