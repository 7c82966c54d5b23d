//! Layers whose results are added to a residual stream.

mod affine;
mod autodiff;
mod compositions;
#[cfg(feature = "cube")]
mod cube;
mod fused_products;

use burn::tensor::{Tensor, TensorPrimitive, backend::Backend, ops::FloatTensor};

use crate::autodiff::device;
use crate::dispatch::{is_planned, same, with_fused};
use crate::{Activation, PlannedMatmul, Precision, activate, linear};
pub use affine::Affine;
use fused_products::FusedProducts;

/// `beside + (x W + bias)` `[.., out]` for `beside` `[.., out]` and `x` `[.., in]`, differentiable in
/// all.
///
/// The bits are those of [`linear`] and an addition; on CUDA a large product adds in its own launch.
///
/// # Panics
/// If the shapes do not fit, or the device does not have `precision`.
pub fn linear_onto<B: Backend, const D: usize>(
    beside: Tensor<B, D>,
    x: Tensor<B, D>,
    layer: Affine<B>,
    precision: Precision,
) -> Tensor<B, D> {
    let dims = beside.dims();
    layer.check("linear_onto", x.dims(), dims);
    let fitting = is_planned::<B>(precision);
    let rows = |tensor: Tensor<B, D>| rows(tensor).into_primitive().tensor();
    let x_rows = rows(x.clone());
    with_fused!(B, &x_rows, K => {
        if fitting && K::supports(&device::<K>(&same(x_rows.clone())), precision) {
            let y = K::linear_onto(same(rows(beside)), same(x_rows), layer.by::<K>(), precision);
            return from_rows(same(y), dims);
        }
        beside + linear(x, layer.weight, layer.bias, precision)
    }, otherwise beside + linear(x, layer.weight, layer.bias, precision))
}

/// `beside + (f(x W1 + bias1) W2 + bias2)` for `beside` `[.., out]`, `x` `[.., in]` and the two `layers`
/// `[in, hidden]` and `[hidden, out]`, differentiable in all.
///
/// The bits are those of [`linear`], [`activate`] and an addition; on CUDA large products activate and add
/// in their own launches, forward and backward.
///
/// # Panics
/// If the shapes do not fit, or the device does not have `precision`.
pub fn perceptron_onto<B: Backend, const D: usize>(
    beside: Tensor<B, D>,
    x: Tensor<B, D>,
    layers: [Affine<B>; 2],
    activation: Activation,
    precision: Precision,
) -> Tensor<B, D> {
    let dims = beside.dims();
    let [first, second] = layers;
    let mut hidden = dims;
    hidden[D - 1] = first.weight.dims()[1];
    first.check("perceptron_onto", x.dims(), hidden);
    second.check("perceptron_onto", hidden, dims);
    // Positions of the hidden layer are numbers of 32 bits.
    let fitting = is_planned::<B>(precision)
        && hidden.iter().map(|size| *size as u64).product::<u64>() <= i32::MAX as u64;
    let rows = |tensor: Tensor<B, D>| rows(tensor).into_primitive().tensor();
    let by_parts = |beside: Tensor<B, D>, x, [first, second]: [Affine<B>; 2]| {
        let hidden = linear(x, first.weight, None, precision);
        let hidden = activate(hidden, first.bias, activation);
        beside + linear(hidden, second.weight, second.bias, precision)
    };
    let x_rows = rows(x.clone());
    with_fused!(B, &x_rows, K => {
        if fitting && K::supports(&device::<K>(&same(x_rows.clone())), precision) {
            let layers = [first.by::<K>(), second.by::<K>()];
            let (beside, x) = (same(rows(beside)), same(x_rows));
            let y = K::perceptron_onto(beside, x, layers, activation, precision);
            return from_rows(same(y), dims);
        }
        by_parts(beside, x, [first, second])
    }, otherwise by_parts(beside, x, [first, second]))
}

fn rows<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Tensor<B, 2> {
    let dims = tensor.dims();
    tensor.reshape([dims[..D - 1].iter().product::<usize>(), dims[D - 1]])
}

fn from_rows<B: Backend, const D: usize>(rows: FloatTensor<B>, dims: [usize; D]) -> Tensor<B, D> {
    Tensor::<B, 2>::from_primitive(TensorPrimitive::Float(rows)).reshape(dims)
}
