//! Dropout whose mask is made where it is used.

#[cfg(feature = "cube")]
mod autodiff;
#[cfg(feature = "cube")]
mod by_kernels;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "cube")]
mod dropout_kernels;
mod dropout_mask;

use burn::tensor::{Tensor, backend::Backend};

#[cfg(feature = "cube")]
use by_kernels::dropped;
#[cfg(feature = "cube")]
pub(crate) use dropout_kernels::DropoutKernels;
pub use dropout_mask::DropoutMask;

/// `x` times a mask that is made on the device, element by element in row-major order, and never
/// stored: the backward pass makes it again. The same bits as the product of `x` and the mask
/// that `dacapo_rng::MaskKey::mask` makes on the host.
///
/// `None` where the backend has no kernel for it or not for the float type of `x` (only f32 is
/// multiplied so that no bit differs): then multiply by the host's mask.
///
/// # Panics
/// If the rate is NaN or outside `[0, 1)`, or `x` has more than about 2^32 elements.
pub fn dropout<B: Backend, const D: usize>(
    x: &Tensor<B, D>,
    mask: &DropoutMask,
) -> Option<Tensor<B, D>> {
    mask.check();
    dropped(x, mask)
}

/// No backend has the kernel without its feature.
#[cfg(not(feature = "cube"))]
fn dropped<B: Backend, const D: usize>(_: &Tensor<B, D>, _: &DropoutMask) -> Option<Tensor<B, D>> {
    None
}
