use burn::tensor::{Tensor, TensorPrimitive, activation::softmax, backend::Backend};

use super::FusedKernels;
use crate::dispatch::{same, with_fused};

/// The softmax of `scale x` over the last dimension, differentiable.
///
/// # Panics
/// If `scale` is not above 0.
pub fn scaled_softmax<B: Backend, const D: usize>(x: Tensor<B, D>, scale: f64) -> Tensor<B, D> {
    assert!(
        scale > 0.0,
        "scaled_softmax: expected a scale above 0, found {scale}"
    );
    let x = x.into_primitive().tensor();
    with_fused!(B, &x, K => {
        let y = same(K::scaled_softmax(same(x), scale));
        Tensor::from_primitive(TensorPrimitive::Float(y))
    }, otherwise {
        let x = Tensor::<B, D>::from_primitive(TensorPrimitive::Float(x));
        softmax(x.mul_scalar(scale), D - 1)
    })
}
