//! The kernel on CubeCL tensors.

#[cfg(test)]
mod tests;

use burn::tensor::{DType, Shape, backend::DeviceOps, ops::FloatTensor};
use burn_cubecl::{
    BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement, kernel::into_contiguous,
    tensor::CubeTensor,
};
use cubecl::server::ComputeServer;
use dacapo_kernels::adamw_step::{AdamWDtype, AdamWScalars, AdamWTensor, StepMode, adamw_step};

use super::{AdamWKernels, StateTensors, StepTensors};

impl<R, F, I, BT> AdamWKernels for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    R::Server: ComputeServer,
    R::Device: DeviceOps,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn step(steps: Vec<StepTensors<FloatTensor<Self>>>) -> Vec<StateTensors<FloatTensor<Self>>> {
        let Some(first) = steps.first() else {
            return Vec::new();
        };
        let param = &first.state.param;
        let (client, device) = (param.client.clone(), param.device.clone());
        let steps: Vec<_> = steps.into_iter().map(contiguous).collect();
        // All at once, while each handle counts once for each place that holds it.
        let modes: Vec<StepMode> = steps.iter().map(|step| mode(&step.state)).collect();
        let tensors: Vec<AdamWTensor> = steps.into_iter().map(kernel_tensor).collect();

        let mut states: Vec<_> = tensors.iter().map(|_| None).collect();
        for mode in [StepMode::InPlace, StepMode::Fresh] {
            let chosen: Vec<usize> = (0..modes.len()).filter(|i| modes[*i] == mode).collect();
            let members: Vec<_> = chosen.iter().map(|i| tensors[*i].clone()).collect();
            let stepped = adamw_step(&client, &members, mode)
                .unwrap_or_else(|error| panic!("adamw_step: {error}"));
            for (i, state) in chosen.into_iter().zip(stepped) {
                states[i] = Some(state);
            }
        }
        let states = states.into_iter().zip(tensors).map(|(state, tensor)| {
            let state = state.expect("each has one of both modes");
            let state = StateTensors {
                param: state.param,
                exp_avg: state.exp_avg,
                exp_avg_sq: state.exp_avg_sq,
                max_exp_avg_sq: state.max_exp_avg_sq,
            };
            state.map(|handle| {
                let shape = Shape::from(vec![tensor.len as usize]);
                let (client, device) = (client.clone(), device.clone());
                CubeTensor::new_contiguous(client, device, shape, handle, DType::F32)
            })
        });
        states.collect()
    }
}

fn contiguous<R: CubeRuntime>(step: StepTensors<CubeTensor<R>>) -> StepTensors<CubeTensor<R>> {
    StepTensors {
        state: step.state.map(into_contiguous),
        grad: into_contiguous(step.grad),
        ..step
    }
}

/// In place only if this is the one holder of everything that would be overwritten.
fn mode<R: CubeRuntime>(state: &StateTensors<CubeTensor<R>>) -> StepMode {
    match state.iter().all(CubeTensor::can_mut) {
        true => StepMode::InPlace,
        false => StepMode::Fresh,
    }
}

fn kernel_tensor<R: CubeRuntime>(step: StepTensors<CubeTensor<R>>) -> AdamWTensor {
    let len = step.state.param.meta.num_elements() as u64;
    let state = step.state.map(|tensor| tensor.handle);
    AdamWTensor {
        len,
        dtype: AdamWDtype::F32,
        scalars: AdamWScalars::new(step.lr, step.betas, step.eps, step.weight_decay, step.step),
        param: state.param,
        grad: step.grad.handle,
        exp_avg: state.exp_avg,
        exp_avg_sq: state.exp_avg_sq,
        max_exp_avg_sq: state.max_exp_avg_sq,
    }
}
