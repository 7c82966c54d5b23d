//! The softmax of `scale x` over the last dimension, and its gradient.
//!
//! `y = exp(scale (x - max)) / sum` by row, with `scale` above 0, and
//! `dx = scale y (dy - <dy, y>)`. A row of minus infinities alone has no softmax: NaN.
//!
//! Launches: one each. 32 units a row.

mod kernel;
mod launch;
pub mod reference;

pub use launch::{softmax, softmax_backward};
