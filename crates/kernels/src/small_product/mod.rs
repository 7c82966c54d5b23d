//! Products that are small (a class token's rows, the gradient of a few rows, each head of an attention):
//! their work is to read the operands, not to multiply them.
//!
//! Where the result alone would occupy a small part of a GPU, k is divided among the cubes of a cluster,
//! which read each other's sums and add them in the order of their parts. Operands are read as they lie, in
//! any layout, and rounded on their way: neither copies of theirs nor rounded weights are written, and
//! nothing is added in a launch of its own. What is to become of the sums ([`Finish`](crate::finish::Finish))
//! does in the same launch, too.
//!
//! An element's sum is formed along k in steps of 16 (bf16) or 8 (TF32), each by the hardware in an order of
//! its own, which is always the same; then over the parts. Their number depends on the shape alone.
//!
//! Launches: one.

mod launch;
mod rows_lie;
mod small_operand;

pub use launch::{is_small, is_supported, is_taken, small_product};
pub use rows_lie::RowsLie;
pub use small_operand::SmallOperand;
