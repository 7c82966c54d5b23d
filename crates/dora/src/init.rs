//! Initial values, drawn on the host from a stream.

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};
use dacapo_rng::Stream;

use crate::math::from_host;

/// Uniform in `[-bound, bound)`, one draw an element in row-major order. Drawn
/// in f64 whatever `dtype` is, so that the position of the stream after it does
/// not depend on the precision.
pub(crate) fn uniform<B: Backend, const D: usize>(
    shape: [usize; D],
    bound: f64,
    stream: &mut Stream,
    dtype: DType,
    device: &B::Device,
) -> Tensor<B, D> {
    let draw = || (2.0 * stream.uniform_f64() - 1.0) * bound;
    drawn(shape, draw, dtype, device)
}

/// Normal with mean 0 and deviation 1, two draws an element in row-major order.
/// Drawn in f64, as [`uniform`].
pub(crate) fn normal<B: Backend, const D: usize>(
    shape: [usize; D],
    stream: &mut Stream,
    dtype: DType,
    device: &B::Device,
) -> Tensor<B, D> {
    drawn(shape, || stream.normal_f64(), dtype, device)
}

fn drawn<B: Backend, const D: usize>(
    shape: [usize; D],
    mut draw: impl FnMut() -> f64,
    dtype: DType,
    device: &B::Device,
) -> Tensor<B, D> {
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| draw()).collect();
    from_host(values, shape, dtype, device)
}

/// The backend's own float type.
pub(crate) fn default_dtype<B: Backend>(device: &B::Device) -> DType {
    Tensor::<B, 1>::from_data(TensorData::new(vec![0.0_f32], [1]), device).dtype()
}

/// The bound of He et al.'s ("Delving Deep into Rectifiers", 2015) uniform
/// initialisation with a = sqrt(5), as `torch.nn.init.kaiming_uniform_`:
/// `sqrt(2 / (1 + 5)) * sqrt(3 / fan_in)` = `1 / sqrt(fan_in)`.
pub(crate) fn kaiming_bound(fan_in: usize) -> f64 {
    1.0 / (fan_in as f64).sqrt()
}
