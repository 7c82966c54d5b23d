//! The merge by the kernels of whichever backend the tensors belong to.

use burn::tensor::{Tensor, TensorPrimitive, backend::Backend, ops::FloatTensor};

use super::{MergeInputs, MergeKernels, MergeSpec, MergeTensors};
use crate::dispatch::{same, with_kernels};

pub(super) fn merged<B: Backend>(
    inputs: &MergeInputs<B>,
    spec: &MergeSpec,
) -> Option<Tensor<B, 2>> {
    let found = with_kernels!(B, K => merged_by::<B, K>(inputs, spec), otherwise None);
    found.map(|tensor| Tensor::from_primitive(TensorPrimitive::Float(tensor)))
}

pub(super) fn norm<B: Backend>(inputs: &MergeInputs<B>, spec: &MergeSpec) -> Option<Tensor<B, 1>> {
    let found = with_kernels!(B, K => norm_by::<B, K>(inputs, spec), otherwise None);
    found.map(|tensor| Tensor::from_primitive(TensorPrimitive::Float(tensor)))
}

fn merged_by<B: Backend, K: MergeKernels>(
    inputs: &MergeInputs<B>,
    spec: &MergeSpec,
) -> Option<FloatTensor<B>> {
    let tensors = primitives::<B, K>(inputs);
    if !K::takes(&tensors) {
        return None;
    }
    // What the kernels refuse is computed by plain tensor operations.
    let (merged, _) = K::merge(tensors, spec).ok()?;
    Some(same(merged))
}

fn norm_by<B: Backend, K: MergeKernels>(
    inputs: &MergeInputs<B>,
    spec: &MergeSpec,
) -> Option<FloatTensor<B>> {
    let tensors = primitives::<B, K>(inputs);
    if !K::takes(&tensors) {
        return None;
    }
    K::norm(tensors, spec).ok().map(same)
}

fn primitives<B: Backend, K: Backend>(inputs: &MergeInputs<B>) -> MergeTensors<FloatTensor<K>> {
    let tensors = MergeTensors {
        weight: inputs.weight.clone().into_primitive(),
        lora_a: inputs.lora_a.clone().into_primitive(),
        lora_b: inputs.lora_b.clone().into_primitive(),
        magnitude: inputs.magnitude.clone().into_primitive(),
    };
    tensors.map(|tensor| same::<FloatTensor<B>, FloatTensor<K>>(tensor.tensor()))
}
