//! Attention in which one token of each sequence asks, over the sequence's rows as they are: its `heads`
//! queries `asking` `[n, heads, width]` and the rows `x` `[n, tokens, width]`.
//!
//! Scores are `asking · x`, the result is `shares · x`, and the gradients are of the same kinds: three
//! kernels, each of which reads the rows once. Products of so few rows by kernels for large matrices read
//! or copy them several times.
//!
//! Operands are rounded as a precision has them, sums are f32 in one order. Launches: one each.

mod launch;
mod rounding;
mod shape;

pub use launch::{mix, scores, spread};
pub use rounding::Rounding;
pub use shape::SingleQuery;
