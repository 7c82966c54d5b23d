use burn::tensor::{
    Tensor, TensorPrimitive,
    activation::{gelu, sigmoid},
    backend::Backend,
};

use super::FusedKernels;
use crate::Activation;
use crate::dispatch::{same, with_fused};

/// `f(x + bias)` for `x` `[.., width]` and `bias` `[width]`, differentiable in both.
///
/// # Panics
/// If the shapes do not fit.
pub fn activate<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    bias: Option<Tensor<B, 1>>,
    activation: Activation,
) -> Tensor<B, D> {
    let width = x.dims()[D - 1];
    assert!(
        bias.as_ref().is_none_or(|bias| bias.dims() == [width]),
        "activate: expected a bias [{width}] for x {:?}, found {:?}",
        x.dims(),
        bias.as_ref().map(Tensor::dims)
    );
    let x = x.into_primitive().tensor();
    with_fused!(B, &x, K => {
        let bias = bias.map(|bias| {
            same::<_, burn::tensor::ops::FloatTensor<K>>(bias.into_primitive().tensor())
        });
        let y = same(K::activate(same(x), bias, activation));
        Tensor::from_primitive(TensorPrimitive::Float(y))
    }, otherwise {
        let x = Tensor::<B, D>::from_primitive(TensorPrimitive::Float(x));
        let x = match bias {
            Some(bias) => x + bias.unsqueeze(),
            None => x,
        };
        match activation {
            Activation::Gelu => gelu(x),
            Activation::QuickGelu => sigmoid(x.clone().mul_scalar(1.702)) * x,
        }
    })
}
