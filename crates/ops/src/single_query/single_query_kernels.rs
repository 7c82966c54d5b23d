use burn::tensor::{backend::Backend, ops::FloatTensor};

use crate::Precision;

/// A backend with kernels for the attention of one token.
pub(super) trait SingleQueryKernels: Backend {
    /// Whether they take these queries and rows.
    fn takes(asking: &FloatTensor<Self>, x: &FloatTensor<Self>, precision: Precision) -> bool;

    /// The result, and the shares `[n, heads, tokens]`.
    fn attend(
        asking: FloatTensor<Self>,
        x: FloatTensor<Self>,
        scale: f64,
        precision: Precision,
    ) -> [FloatTensor<Self>; 2];

    /// The gradients of `asking` and `x` for that of the result, those that are `wanted`.
    fn attend_backward(
        asking: FloatTensor<Self>,
        x: FloatTensor<Self>,
        shares: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        scale: f64,
        precision: Precision,
        wanted: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2];
}
