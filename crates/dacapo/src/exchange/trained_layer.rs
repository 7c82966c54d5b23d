use burn::{module::Param, tensor::TensorData};
use dacapo_dora::{DoraConfig, DoraLinear};

use crate::compute::Cpu;

/// An adapted layer, as a run has trained it.
pub(crate) struct TrainedLayer {
    pub(crate) config: DoraConfig,
    /// A `[rank, in]`.
    pub(crate) lora_a: TensorData,
    /// B `[out, rank]`.
    pub(crate) lora_b: TensorData,
    /// m `[out]`.
    pub(crate) magnitude: Option<TensorData>,
    /// W' `[in, out]`.
    pub(crate) merged: TensorData,
}

impl TrainedLayer {
    /// Of a layer that has an adapter.
    pub(crate) fn of(layer: &DoraLinear<Cpu>) -> Option<Self> {
        let adapter = layer.adapter.as_ref()?;
        Some(Self {
            config: adapter.config().clone(),
            lora_a: adapter.lora_a.val().into_data(),
            lora_b: adapter.lora_b.val().into_data(),
            magnitude: adapter
                .magnitude
                .as_ref()
                .map(Param::val)
                .map(|m| m.into_data()),
            merged: layer.merged_weight().into_data(),
        })
    }
}
