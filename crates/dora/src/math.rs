//! The tensor formulas that both the forward pass and merging use. Weights are
//! `[in, out]`, so a "row" of the formulas in the crate's documentation is a
//! column here.

use burn::tensor::{DType, FloatDType, Tensor, TensorData, backend::Backend};
use dacapo_ops::{Precision, matmul};

/// The dtype that norms, magnitudes and their ratio are kept in: a half type
/// would round the ratio, which is close to 1, to a few steps.
pub(crate) fn norm_dtype(storage: DType) -> FloatDType {
    match storage {
        DType::F64 => FloatDType::F64,
        _ => FloatDType::F32,
    }
}

/// Converts to the float type of `dtype`; the tensor itself if it has it.
pub(crate) fn to_dtype<B: Backend, const D: usize>(x: Tensor<B, D>, dtype: DType) -> Tensor<B, D> {
    x.cast(FloatDType::from(dtype))
}

/// Cuts a tensor from the graph for good. (`Tensor::detach` keeps a leaf's
/// `require_grad`, so that what follows is still recorded.)
pub(crate) fn constant<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    x.detach().set_require_grad(false)
}

/// `x` as `dtype` on `device`, from host values.
pub(crate) fn from_host<B: Backend, const D: usize, E: burn::tensor::Element>(
    values: Vec<E>,
    shape: [usize; D],
    dtype: DType,
    device: &B::Device,
) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values, shape), (device, dtype))
}

/// The norm of each output channel of `v` `[in, out]`, as `[1, out]`, without
/// gradient. 0 where the squares sum to 0, also by underflow.
pub(crate) fn channel_norm<B: Backend>(v: Tensor<B, 2>) -> Tensor<B, 2> {
    let v = constant(v);
    (v.clone() * v).sum_dim(0).sqrt()
}

/// [`channel_norm`] with its gradient, which is 0 where the norm is, as in
/// PyTorch.
pub(crate) fn tracked_channel_norm<B: Backend>(v: Tensor<B, 2>) -> Tensor<B, 2> {
    let squares = (v.clone() * v).sum_dim(0);
    let fixed = constant(squares.clone());
    let norm = fixed.clone().sqrt();
    // d sqrt(q) = dq / (2 sqrt(q)), written out: the backend's backward of
    // `sqrt` is `powf(-1/2)`, which is the C library's (other bits elsewhere)
    // and infinite at 0. The bracket is 0 in value.
    let zero = norm.clone().equal_elem(0.0);
    let slope = norm
        .clone()
        .mask_fill(zero.clone(), 1.0)
        .recip()
        .mul_scalar(0.5)
        .mask_fill(zero, 0.0);
    norm + slope * (squares - fixed)
}

/// `numerator / norm`, and `otherwise` (without gradient) where the norm is 0.
pub(crate) fn over_norm<B: Backend>(
    numerator: Tensor<B, 2>,
    norm: Tensor<B, 2>,
    otherwise: f64,
) -> Tensor<B, 2> {
    let zero = norm.clone().equal_elem(0.0);
    let safe = norm.mask_fill(zero.clone(), 1.0);
    // `mask_fill` does not broadcast on every backend.
    let zero = zero.expand(numerator.shape());
    (numerator / safe).mask_fill(zero, otherwise)
}

/// The dense update s·(B·A) as `[in, out]`, in the factors' dtype.
pub(crate) fn low_rank<B: Backend>(
    lora_a: Tensor<B, 2>,
    lora_b: Tensor<B, 2>,
    scaling: f64,
    precision: Precision,
) -> Tensor<B, 2> {
    matmul(lora_a.transpose(), lora_b.transpose(), precision).mul_scalar(scaling)
}
