//! The step by the kernel of whichever backend the tensors belong to.

use burn::tensor::{DType, Tensor, TensorPrimitive, backend::Backend, ops::FloatTensor};
use burn_flex::Flex;

use super::{AdamWKernels, AdamWStep, AdamWStepped, StateTensors, StepTensors};
use crate::dispatch::{has_tensors_of, same, with_kernels};

type Steps<B> = Vec<AdamWStep<B>>;

pub(super) fn stepped<B: Backend>(steps: Steps<B>) -> Result<Vec<AdamWStepped<B>>, Steps<B>> {
    if steps.iter().any(|step| !is_f32(step)) {
        return Err(steps);
    }
    with_kernels!(inner B, K => Ok(stepped_by::<B, K>(steps)), otherwise {
        match has_tensors_of::<B, Flex>() {
            true => Ok(stepped_by::<B, Flex>(steps)),
            false => Err(steps),
        }
    })
}

fn is_f32<B: Backend>(step: &AdamWStep<B>) -> bool {
    step.tensors().all(|tensor| tensor.dtype() == DType::F32)
}

fn stepped_by<B: Backend, K: AdamWKernels>(steps: Steps<B>) -> Vec<AdamWStepped<B>> {
    let steps = steps.into_iter().map(primitives::<B, K>).collect();
    let tensor = |primitive: FloatTensor<K>| -> Tensor<B, 1> {
        Tensor::from_primitive(TensorPrimitive::Float(same::<_, FloatTensor<B>>(primitive)))
    };
    let stepped = K::step(steps).into_iter().map(|state| {
        let state = state.map(tensor);
        AdamWStepped {
            param: state.param,
            exp_avg: state.exp_avg,
            exp_avg_sq: state.exp_avg_sq,
            max_exp_avg_sq: state.max_exp_avg_sq,
        }
    });
    stepped.collect()
}

fn primitives<B: Backend, K: Backend>(step: AdamWStep<B>) -> StepTensors<FloatTensor<K>> {
    let primitive = |tensor: Tensor<B, 1>| -> FloatTensor<K> {
        same::<FloatTensor<B>, _>(tensor.into_primitive().tensor())
    };
    let state = StateTensors {
        param: step.param,
        exp_avg: step.exp_avg,
        exp_avg_sq: step.exp_avg_sq,
        max_exp_avg_sq: step.max_exp_avg_sq,
    };
    StepTensors {
        state: state.map(primitive),
        grad: primitive(step.grad),
        lr: step.lr,
        betas: step.betas,
        eps: step.eps,
        weight_decay: step.weight_decay,
        step: step.step,
    }
}
