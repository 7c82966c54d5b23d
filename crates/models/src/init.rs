//! Initial values, drawn on the host from a stream: Burn's initialisers share
//! one process-wide generator whose state cannot be saved.

use burn::module::Param;
use burn::tensor::{Tensor, TensorData, backend::Backend};
use dacapo_rng::Stream;

/// Normal with mean 0 and deviation `std`; two draws an element, row-major.
pub(crate) fn normal<B: Backend, const D: usize>(
    shape: [usize; D],
    std: f64,
    stream: &mut Stream,
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    from_host(shape, device, || stream.normal_f64() * std)
}

/// Uniform in `[-bound, bound)`; one draw an element, row-major.
pub(crate) fn uniform<B: Backend, const D: usize>(
    shape: [usize; D],
    bound: f64,
    stream: &mut Stream,
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    from_host(shape, device, || (2.0 * stream.uniform_f64() - 1.0) * bound)
}

fn from_host<B: Backend, const D: usize>(
    shape: [usize; D],
    device: &B::Device,
    mut draw: impl FnMut() -> f64,
) -> Param<Tensor<B, D>> {
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| draw()).collect();
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}
