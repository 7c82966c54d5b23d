use burn::tensor::{backend::Backend, ops::FloatTensor};

use super::DropoutMask;

/// A backend with a dropout kernel.
pub(crate) trait DropoutKernels: Backend {
    /// Whether the kernel takes the float type of `x`.
    fn takes(x: &FloatTensor<Self>) -> bool;

    /// `x` times the mask, in row-major order.
    fn dropout(x: FloatTensor<Self>, mask: &DropoutMask) -> FloatTensor<Self>;
}
