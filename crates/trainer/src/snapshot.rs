use std::collections::BTreeMap;

use burn::tensor::{
    Shape, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use dacapo_ops::WorkQueue;
use dacapo_optim::{Optimizer, ParamSpec, SchedulerRecord};
use dacapo_rng::RngRecord;

use crate::{
    DataRecord, EarlyStopping, Identity, Info, RunRecord, TrainerError, TrainerRecord, module_state,
};

/// The complete state between two steps, adapters and moments still on the device.
///
/// Taking one copies no tensor and waits for nothing: tensors are values, and the next step
/// makes new ones beside them. [`into_record`](Self::into_record) copies them to the host,
/// on any thread, while training goes on. Until then the device holds the state twice.
pub struct Snapshot<B: AutodiffBackend> {
    /// Of the thread that trains.
    pub(crate) queue: WorkQueue,
    /// Flat, by path.
    pub(crate) adapters: BTreeMap<String, Tensor<B::InnerBackend, 1>>,
    pub(crate) specs: BTreeMap<String, ParamSpec>,
    pub(crate) optimizer: Optimizer<B::InnerBackend>,
    pub(crate) buffers: BTreeMap<String, TensorData>,
    pub(crate) scheduler: SchedulerRecord,
    pub(crate) rng: RngRecord,
    pub(crate) data: DataRecord,
    pub(crate) early_stopping: EarlyStopping,
    pub(crate) run: RunRecord,
    pub(crate) identity: Identity,
    pub(crate) info: Info,
}

impl<B: AutodiffBackend> Snapshot<B> {
    /// The record.
    ///
    /// # Errors
    /// A backend that cannot hand out the adapters or the moments.
    pub fn into_record(self) -> Result<TrainerRecord, TrainerError> {
        let (adapters, optimizer) = self.queue.run(|| -> Result<_, TrainerError> {
            let adapters = read(self.adapters, &self.specs)?;
            // Also let go of there.
            let optimizer = self.optimizer;
            Ok((adapters, optimizer.to_record()?))
        })?;
        Ok(TrainerRecord {
            adapters,
            buffers: self.buffers,
            optimizer,
            scheduler: self.scheduler,
            rng: self.rng,
            data: self.data,
            early_stopping: self.early_stopping,
            run: self.run,
            identity: self.identity,
            info: self.info,
        })
    }
}

/// The data of flat tensors in their own shapes, in one transfer.
fn read<B: Backend>(
    tensors: BTreeMap<String, Tensor<B, 1>>,
    specs: &BTreeMap<String, ParamSpec>,
) -> Result<BTreeMap<String, TensorData>, TrainerError> {
    let (paths, tensors): (Vec<_>, Vec<_>) = tensors.into_iter().unzip();
    let data = module_state::read_all(tensors, "reading the adapters")?;
    let shaped = paths.into_iter().zip(data).map(|(path, data)| {
        let shape = Shape::from(specs[&path].shape.clone());
        (path, TensorData { shape, ..data })
    });
    Ok(shaped.collect())
}
