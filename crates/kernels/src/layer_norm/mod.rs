//! Layer normalisation over the last dimension (Ba, Kiros, Hinton, "Layer Normalization", 2016),
//! and its gradient of the input.
//!
//! `y = (x - mean) rstd gamma + beta` by row, with the mean and the biased variance of the row's
//! values and `rstd = 1 / sqrt(variance + eps)`; the variance is the mean of the squared distances
//! from the mean. With `h = (x - mean) rstd` and `g = dy gamma`:
//! `dx = rstd (g - mean(g) - h mean(g h))`.
//!
//! Launches: one each. 32 units a row; x is read three times, of which two hit the cache.

mod kernel;
mod launch;
pub mod reference;

pub use launch::{Normalised, layer_norm, layer_norm_backward};
