//! Rows of several tensors, in any order, as one tensor: a copy, so no bit of them changes,
//! whatever their elements are.
//!
//! Launches: one for each tensor that rows are taken from.

mod kernel;
mod launch;
mod piece;
pub mod reference;

pub use launch::gather_rows;
pub use piece::Piece;
