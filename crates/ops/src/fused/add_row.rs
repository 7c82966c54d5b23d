use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};

use super::FusedKernels;
use crate::dispatch::{same, with_fused};

/// `x + row` of `x` `[n, ..]` and `row` `[1, ..]`, differentiable; on `Flex`, in f32, by several
/// threads, and in place where nobody else holds `x`.
///
/// # Panics
/// If the shapes differ in more than n.
pub fn add_row<B: Backend, const D: usize>(x: Tensor<B, D>, row: Tensor<B, D>) -> Tensor<B, D> {
    let (dims, found) = (x.dims(), row.dims());
    assert!(
        found[0] == 1 && dims[1..] == found[1..],
        "add_row: expected a row [1, ..] for {dims:?}, found {found:?}"
    );
    let (x, row) = (x.into_primitive().tensor(), row.into_primitive().tensor());
    let y = with_fused!(B, &x, K => same(K::add_row(same(x), same(row))), otherwise {
        B::float_add(x, row)
    });
    Tensor::from_primitive(TensorPrimitive::Float(y))
}
