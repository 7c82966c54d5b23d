use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};

use super::FusedKernels;
use crate::dispatch::{same, with_fused};

/// `[n, b, a, width]` of `x` `[n, a, b, width]`: tokens of heads from heads of tokens, and back. The
/// values of `x.swap_dims(1, 2)`, differentiable; on `Flex`, in f32, they lie together in memory.
pub fn swap_heads<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let x = x.into_primitive().tensor();
    let y = with_fused!(B, &x, K => same(K::swap_heads(same(x))), otherwise {
        B::float_swap_dims(x, 1, 2)
    });
    Tensor::from_primitive(TensorPrimitive::Float(y))
}
