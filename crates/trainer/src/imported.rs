use std::collections::BTreeMap;

use burn::tensor::TensorData;
use dacapo_optim::OptimizerRecord;

use crate::ImportSource;

/// What another program's training left at the end of an epoch.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Where it is from.
    pub source: ImportSource,
    /// Every trainable tensor, by its path here.
    pub adapters: BTreeMap<String, TensorData>,
    /// The optimizer's settings and state; nothing for a fresh one.
    pub optimizer: Option<OptimizerRecord>,
    /// What every epoch so far ended with: the metrics of this task, by name.
    pub metrics: Vec<BTreeMap<String, f64>>,
}
