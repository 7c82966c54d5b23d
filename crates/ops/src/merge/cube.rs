//! The kernels on CubeCL tensors.

use burn::tensor::{DType, Shape, backend::DeviceOps, ops::FloatTensor};
use burn_cubecl::{
    BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement, kernel::into_contiguous,
    tensor::CubeTensor,
};
use cubecl::server::{ComputeServer, Handle};
use dacapo_kernels::dora_merge::{
    self, Inputs, Layout, MergeError, NormGradient, Problem, Products, Storage,
};

use super::{MergeKernels, MergeNorms, MergeSpec, MergeTensors, Merged};
use crate::Precision;

/// The kernels are unrolled over the rank: what they take to compile and hold grows with it.
const MOST_RANKS: usize = 128;

/// A merge ready to be launched: every tensor contiguous.
struct Ready<R: CubeRuntime> {
    problem: Problem,
    inputs: Inputs,
    weight: CubeTensor<R>,
    factors: DType,
}

fn storage(dtype: DType) -> Option<Storage> {
    match dtype {
        DType::F32 => Some(Storage::F32),
        DType::BF16 => Some(Storage::Bf16),
        DType::F16 => Some(Storage::F16),
        _ => None,
    }
}

fn handle<R: CubeRuntime>(tensor: CubeTensor<R>) -> Handle {
    into_contiguous(tensor).handle
}

impl<R: CubeRuntime> Ready<R> {
    /// `base_norm` is ‖W‖ if it is known; it is computed where it is needed and unknown.
    fn new(
        tensors: MergeTensors<CubeTensor<R>>,
        spec: &MergeSpec,
        base_norm: Option<CubeTensor<R>>,
    ) -> Result<Self, MergeError> {
        let shape = tensors.weight.meta.shape();
        let known = |dtype| storage(dtype).expect("`takes` was asked");
        let factors = tensors.lora_a.dtype;
        let problem = Problem {
            d_in: shape[0],
            d_out: shape[1],
            rank: tensors.lora_a.meta.shape()[0],
            layout: Layout::InOut,
            scaling: spec.scaling as f32,
            eps: spec.eps as f32,
            normalised_base: spec.normalised_base,
            weight: known(tensors.weight.dtype),
            factors: known(factors),
            products: match spec.precision {
                Precision::F32 => Products::F32,
                Precision::Tf32 | Precision::Bf16 => Products::Tf32,
            },
        };
        let weight = into_contiguous(tensors.weight);
        let mut inputs = Inputs {
            weight: weight.handle.clone(),
            lora_a: handle(tensors.lora_a),
            lora_b: handle(tensors.lora_b),
            magnitude: handle(tensors.magnitude),
            base_norm: None,
            mask: None,
        };
        if problem.normalised_base {
            inputs.base_norm = Some(match base_norm {
                Some(norm) => norm.handle,
                None => {
                    // ‖W‖ is the norm of W + 0 (B A)^T.
                    let base = Problem {
                        scaling: 0.0,
                        eps: 0.0,
                        normalised_base: false,
                        ..problem.clone()
                    };
                    dora_merge::norm(&weight.client, &base, &inputs)?
                }
            });
        }
        inputs.mask = spec.mask.map(|mask| mask.params());
        Ok(Self {
            problem,
            inputs,
            weight,
            factors,
        })
    }

    fn tensor(&self, handle: Handle, shape: &[usize], dtype: DType) -> CubeTensor<R> {
        let (client, device) = (self.weight.client.clone(), self.weight.device.clone());
        CubeTensor::new_contiguous(client, device, Shape::from(shape.to_vec()), handle, dtype)
    }
}

impl<R, F, I, BT> MergeKernels for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    R::Server: ComputeServer,
    R::Device: DeviceOps,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn takes(tensors: &MergeTensors<FloatTensor<Self>>) -> bool {
        let MergeTensors {
            weight,
            lora_a,
            lora_b,
            magnitude,
        } = tensors;
        storage(weight.dtype).is_some()
            && storage(lora_a.dtype).is_some()
            && lora_a.dtype == lora_b.dtype
            && magnitude.dtype == DType::F32
            && weight.meta.num_elements() > 0
            && (1..=MOST_RANKS).contains(&lora_a.meta.shape()[0])
    }

    fn merge(
        tensors: MergeTensors<FloatTensor<Self>>,
        spec: &MergeSpec,
    ) -> Result<Merged<FloatTensor<Self>>, MergeError> {
        let ready = Ready::new(tensors, spec, None)?;
        let Problem { d_in, d_out, .. } = ready.problem;
        let merged = dora_merge::forward(&ready.weight.client, &ready.problem, &ready.inputs)?;
        let norm = |handle: Handle| ready.tensor(handle, &[d_out], DType::F32);
        let norms = MergeNorms {
            norm: norm(merged.norm),
            base: ready.inputs.base_norm.clone().map(norm),
        };
        let weight = ready.tensor(merged.weight, &[d_in, d_out], ready.weight.dtype);
        Ok((weight, norms))
    }

    fn norm(
        tensors: MergeTensors<FloatTensor<Self>>,
        spec: &MergeSpec,
    ) -> Result<FloatTensor<Self>, MergeError> {
        let ready = Ready::new(tensors, spec, None)?;
        let norm = dora_merge::norm(&ready.weight.client, &ready.problem, &ready.inputs)?;
        Ok(ready.tensor(norm, &[ready.problem.d_out], DType::F32))
    }

    fn gradients(
        tensors: MergeTensors<FloatTensor<Self>>,
        spec: &MergeSpec,
        norms: MergeNorms<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        let refused = |error| -> ! { panic!("dora_merge: backward after forward: {error}") };
        let ready = Ready::new(tensors, spec, norms.base).unwrap_or_else(|error| refused(error));
        assert_eq!(
            gradient.dtype, ready.weight.dtype,
            "dora_merge: the gradient of W' (left) has another type than W (right)"
        );
        let Problem {
            d_in, d_out, rank, ..
        } = ready.problem;
        let through = match spec.full_gradient {
            true => NormGradient::Full,
            false => NormGradient::Detached,
        };
        let found = dora_merge::backward(
            &ready.weight.client,
            &ready.problem,
            &ready.inputs,
            &norms.norm.handle,
            &handle(gradient),
            through,
        )
        .unwrap_or_else(|error| refused(error));
        [
            ready.tensor(found.lora_a, &[rank, d_in], ready.factors),
            ready.tensor(found.lora_b, &[d_out, rank], ready.factors),
            ready.tensor(found.magnitude, &[d_out], DType::F32),
        ]
    }
}
