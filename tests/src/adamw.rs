use dacapo::{
    optim::{AdamWConfig, AdamWRecord, OptimizerConfig, OptimizerRecord},
    trainer::TrainerRecord,
};

/// The moments in the state of a run with AdamW.
#[track_caller]
pub fn adamw(record: &mut TrainerRecord) -> &mut AdamWRecord {
    match &mut record.optimizer {
        OptimizerRecord::AdamW(record) => record,
        OptimizerRecord::Sgd(_) => panic!("the run is one of SGD"),
    }
}

/// The settings of AdamW, to change.
#[track_caller]
pub fn adamw_config(config: &mut OptimizerConfig) -> &mut AdamWConfig {
    match config {
        OptimizerConfig::AdamW(config) => config,
        OptimizerConfig::Sgd(_) => panic!("the settings are SGD's"),
    }
}
