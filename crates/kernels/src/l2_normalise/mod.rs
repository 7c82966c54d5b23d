//! Each row over its Euclidean norm, and the gradient.
//!
//! `y = x / |x|` and `dx = (dy - <dy, y> y) / |x|`. A row of zeros has no direction: NaN.
//!
//! Launches: one each. 32 units a row.

mod kernel;
mod launch;
pub mod reference;

pub use launch::{l2_normalise, l2_normalise_backward};
