//! Operations of a transformer block that read their tensors once or twice, where a chain of
//! tensor operations would read and write them ten times.
//!
//! On a CubeCL backend they are kernels of `dacapo-kernels`; on `Flex`, loops over rows in this
//! crate ([`host`]). Both take f32 only; everything else is Burn's own operations.

mod activate;
mod add_row;
mod autodiff;
#[cfg(feature = "cube")]
mod cube;
mod fused_kernels;
mod host;
mod l2_normalise;
mod layer_norm;
mod softmax;
mod sum;
mod swap_heads;

pub use activate::activate;
pub use add_row::add_row;
#[cfg(feature = "cuda")]
pub(crate) use cube::{handle, kind, launched, tensor};
pub(crate) use fused_kernels::{FusedKernels, Normalised};
pub use l2_normalise::l2_normalise;
pub use layer_norm::layer_norm;
pub use softmax::scaled_softmax;
pub use sum::{mean, mean_square, sum, sum_of_squares, sums_of_squares};
pub use swap_heads::swap_heads;
