use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};

use super::FusedKernels;
use crate::dispatch::{same, with_fused};

/// Each row of `x` `[.., width]` over its Euclidean norm, `x / sqrt(sum(x²))` over the last
/// dimension, differentiable. A row of zeros has no direction: NaN.
pub fn l2_normalise<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let x = x.into_primitive().tensor();
    with_fused!(B, &x, K => {
        let [y, _] = K::l2_normalise(same(x));
        Tensor::from_primitive(TensorPrimitive::Float(same(y)))
    }, otherwise plain(Tensor::from_primitive(TensorPrimitive::Float(x))))
}

fn plain<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let squares = (x.clone() * x.clone()).sum_dim(D - 1);
    let fixed = squares.clone().detach().set_require_grad(false);
    let norm = fixed.clone().sqrt();
    // d sqrt(q) = dq / (2 sqrt(q)), written out, as the backend's backward of `sqrt` is
    // the C library's `powf`: other bits elsewhere. The bracket is 0 in value.
    let slope = norm.clone().recip().mul_scalar(0.5);
    x / (norm + slope * (squares - fixed))
}
