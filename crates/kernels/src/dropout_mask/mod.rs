//! The dropout mask of a layer, made on the device from a counter: element `i`
//! depends on the key, the rate and `i` alone, so that it is the host's mask to
//! the bit and any other kernel can make any part of it again.
//!
//! Element `i` reads lane `i % 4` of Philox4x32-10 under the layer's key at the
//! counter `[low(i / 4), high(i / 4), upper[0], upper[1]]`. It is 0 if that word
//! lies under the threshold `round(rate * 2^32)`, else `1 / (1 - rate)` rounded
//! to f32: what `dacapo_rng::MaskKey::mask` gives.
//!
//! [`dropout_mask()`] writes the mask; [`dropout_apply`] multiplies a tensor by it
//! without writing it; [`mask_at()`] and [`mask_four()`] are for other kernels, which
//! take a [`MaskArgs`] and launch with [`MaskParams::args`].
//!
//! Launches: one each.

mod kernel;
mod launch;
mod mask_dtype;
mod mask_params;
pub mod reference;

pub use kernel::{MaskArgs, MaskArgsLaunch, mask_at, mask_four};
pub use launch::{MAX_LEN, dropout_apply, dropout_mask};
pub use mask_dtype::MaskDtype;
pub use mask_params::MaskParams;
