use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};

use crate::{Precision, dispatch};

/// The product `[.., m, n]` of `lhs` `[.., m, k]` and `rhs` `[.., k, n]`, differentiable in both.
///
/// On a CubeCL backend the kernel is the plan's; elsewhere, in f32, this is `lhs.matmul(rhs)`.
/// No bound on `B` is needed: the type of its tensors tells whether it is a backend with a plan.
/// Views that are transposed in their last two dimensions are read in place.
///
/// # Panics
/// If the shapes do not fit, or the device does not have `precision`.
pub fn matmul<B: Backend, const D: usize>(
    lhs: Tensor<B, D>,
    rhs: Tensor<B, D>,
    precision: Precision,
) -> Tensor<B, D> {
    let (left, right) = (lhs.dims(), rhs.dims());
    let batches = |i: usize| left[i] == right[i] || left[i] == 1 || right[i] == 1;
    assert!(
        D >= 2 && left[D - 1] == right[D - 2] && (0..D - 2).all(batches),
        "matmul: expected [.., m, k] and [.., k, n], found {left:?} and {right:?}"
    );
    let operands = (lhs.into_primitive().tensor(), rhs.into_primitive().tensor());
    let from = |tensor| Tensor::from_primitive(TensorPrimitive::Float(tensor));
    match dispatch::product::<B>(operands, precision) {
        Ok(product) => from(product),
        Err((lhs, rhs)) => from(lhs).matmul(from(rhs)),
    }
}
