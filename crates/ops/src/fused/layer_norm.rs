use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};

use super::FusedKernels;
use crate::dispatch::{same, with_fused};

/// Layer normalisation of `x` `[.., width]` over the last dimension (Ba, Kiros, Hinton, "Layer
/// Normalization", 2016): `(x - mean) / sqrt(variance + eps) gamma + beta`, with the biased
/// variance. Differentiable in all three; `gamma` and `beta` are `[width]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn layer_norm<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    gamma: Tensor<B, 1>,
    beta: Option<Tensor<B, 1>>,
    eps: f64,
) -> Tensor<B, D> {
    let width = x.dims()[D - 1];
    assert!(
        gamma.dims() == [width] && beta.as_ref().is_none_or(|beta| beta.dims() == [width]),
        "layer_norm: expected gamma and beta [{width}] for x {:?}, found {:?} and {:?}",
        x.dims(),
        gamma.dims(),
        beta.as_ref().map(Tensor::dims)
    );
    let x = x.into_primitive().tensor();
    let gamma = gamma.into_primitive().tensor();
    let beta = beta.map(|beta| beta.into_primitive().tensor());
    let y = with_fused!(B, &x, K => {
        let beta = beta.map(same::<_, burn::tensor::ops::FloatTensor<K>>);
        same(K::normalise(same(x), same(gamma), beta, eps).y)
    }, otherwise B::layer_norm(x, gamma, beta, eps));
    Tensor::from_primitive(TensorPrimitive::Float(y))
}
