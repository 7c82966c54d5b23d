use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;
use dacapo_kernels::adamw_step::StepMode;

use super::{StateTensors, mode};

#[cfg(feature = "cuda")]
type Plain = burn_cuda::Cuda;
#[cfg(feature = "cuda")]
type Runtime = cubecl::cuda::CudaRuntime;
#[cfg(not(feature = "cuda"))]
type Plain = burn_wgpu::Wgpu;
#[cfg(not(feature = "cuda"))]
type Runtime = cubecl::wgpu::WgpuRuntime;

fn fresh() -> CubeTensor<Runtime> {
    let tensor = Tensor::<Plain, 1>::from_floats([1.0, 2.0, 3.0], &Default::default());
    tensor.into_primitive().tensor()
}

fn state() -> StateTensors<CubeTensor<Runtime>> {
    StateTensors {
        param: fresh(),
        exp_avg: fresh(),
        exp_avg_sq: fresh(),
        max_exp_avg_sq: Some(fresh()),
    }
}

#[test]
fn tensor_that_someone_holds_is_overwritten() {
    for held in 0..4 {
        let state = state();
        let holder = state.iter().nth(held).cloned();
        assert_eq!(mode(&state), StepMode::Fresh, "{held}");
        drop(holder);
        assert_eq!(mode(&state), StepMode::InPlace, "{held}");
    }
}

#[test]
fn tensor_with_two_roles_is_overwritten() {
    let mut state = state();
    // As a fresh optimizer has it: one tensor of zeros is both moments.
    state.exp_avg_sq = state.exp_avg.clone();
    assert_eq!(mode(&state), StepMode::Fresh);
}
