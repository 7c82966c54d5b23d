use dacapo_optim::{AdamWConfig, OptimizerConfig, Schedule, ScheduleConfig};
use dacapo_trainer::{CheckpointPolicy, EarlyStoppingConfig, Perturbation, TrainerSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AdaptConfig, AdaptMode, ClipHbaConfig, DataConfig, ModelConfig, SeedConfig, SentencesConfig,
    TrainConfig,
};

/// A whole run's configuration. Every key has a default; an unknown key is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Seed and number of the run, precision.
    pub run: SeedConfig,
    /// Examples and split.
    pub data: DataConfig,
    /// Network and base weights.
    pub model: ModelConfig,
    /// CLIP on THINGS, for the model `clip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<ClipHbaConfig>,
    /// BERT on THINGS, for the model `bert`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentences: Option<SentencesConfig>,
    /// What is trained.
    pub adapt: AdaptConfig,
    /// AdamW or SGD.
    pub optimizer: OptimizerConfig,
    /// The learning-rate schedule.
    pub scheduler: ScheduleConfig,
    /// The loop.
    pub train: TrainConfig,
    /// When to stop.
    pub early_stopping: EarlyStoppingConfig,
    /// Steps in which training is disturbed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perturbation: Option<Perturbation>,
    /// When to write checkpoints.
    pub checkpoint: CheckpointPolicy,
}

impl Default for RunConfig {
    /// The embedded default: DoRA on the embedded base, all ten digits.
    fn default() -> Self {
        Self {
            run: SeedConfig::default(),
            data: DataConfig::default(),
            model: ModelConfig::default(),
            clip: None,
            sentences: None,
            adapt: AdaptConfig::default(),
            optimizer: adamw(6e-3),
            scheduler: ScheduleConfig::WarmupCosine {
                warmup: 20,
                total: None,
                min_factor: 0.01,
            },
            train: TrainConfig::default(),
            early_stopping: EarlyStoppingConfig {
                patience: 5,
                ..EarlyStoppingConfig::default()
            },
            perturbation: None,
            checkpoint: CheckpointPolicy::default(),
        }
    }
}

impl RunConfig {
    /// What stands for a path in [`shared_json`](Self::shared_json).
    pub(crate) const A_FILE: &str = "(a file)";

    /// What the trainer is told, with a resolved `schedule` and the settings that runs of one identity
    /// have in common.
    pub fn trainer_settings(&self, schedule: Schedule, shared: String) -> TrainerSettings {
        let train = &self.train;
        TrainerSettings {
            training_run: self.run.training_run,
            epochs: train.epochs,
            batch_size: train.batch_size,
            accumulation: train.accumulation,
            virtual_shards: train.virtual_shards,
            shuffle: train.shuffle,
            drop_last: train.drop_last,
            reset_optimizer: train.reset_optimizer,
            trainable: self.adapt.trainable(),
            optimizer: self.optimizer.clone(),
            schedule,
            schedule_unit: train.schedule_unit,
            early_stopping: self.early_stopping.clone(),
            perturbation: self.perturbation.clone(),
            parent: None,
            config: shared,
        }
    }

    /// The configuration that made the embedded base: every parameter, classes 0 to 4.
    pub fn pretrain() -> Self {
        let default = Self::default();
        Self {
            data: DataConfig {
                classes: vec![0, 1, 2, 3, 4],
                ..default.data
            },
            model: ModelConfig {
                base: "random".to_owned(),
                ..default.model
            },
            adapt: AdaptConfig {
                mode: AdaptMode::Full,
                ..default.adapt
            },
            optimizer: adamw(1e-3),
            train: TrainConfig {
                epochs: 30,
                ..default.train
            },
            early_stopping: EarlyStoppingConfig {
                patience: 10,
                ..default.early_stopping
            },
            ..default
        }
    }

    /// What a resumed run must share, as JSON: everything but how long to train, when to
    /// write checkpoints, where files lie (their content is part of the identity), and the
    /// precision (a part of the identity of its own).
    pub fn shared_json(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).expect("a configuration is plain data");
        let train = value["train"].as_object_mut().expect("[train] is a table");
        train.remove("epochs");
        if self.train.virtual_shards == 1 {
            // As in the runs from before there were any.
            train.remove("virtual_shards");
        }
        value["run"]
            .as_object_mut()
            .expect("[run] is a table")
            .remove("precision");
        value
            .as_object_mut()
            .expect("a configuration is a table")
            .remove("checkpoint");
        if let Some(mut clip) = self.clip.clone() {
            for (_, path) in clip.paths_mut() {
                *path = Self::A_FILE.to_owned();
            }
            value["clip"] = serde_json::to_value(clip).expect("a configuration is plain data");
        }
        if let Some(mut sentences) = self.sentences.clone() {
            for (_, path) in sentences.paths_mut() {
                *path = Self::A_FILE.to_owned();
            }
            value["sentences"] =
                serde_json::to_value(sentences).expect("a configuration is plain data");
        }
        if self.model.base_file().is_some() {
            value["model"]["base"] = Self::A_FILE.into();
        }
        value
    }
}

fn adamw(lr: f64) -> OptimizerConfig {
    let config = AdamWConfig {
        lr,
        ..AdamWConfig::default()
    };
    config.into()
}
