//! Large products of f32 matrices by IEEE multiply-add, without tensor cores.
//!
//! Each element of the result is one chain of fused multiply-adds along k, first to last, so
//! that it depends on its row and its column alone. 256 units share a tile of 128 x 128: 16
//! steps of k of both operands lie in shared memory while the next 16 are on their way into
//! registers, and a unit holds 8 x 8 sums. On CUDA the same is written in CUDA C++, with up to
//! 8 x 16 sums a unit, and can do more with a sum than write it.
//!
//! Launches: one, for any number of products of one shape.

#[cfg(feature = "cuda")]
mod by_source;
mod kernel;
mod launch;
mod operand;
pub mod reference;

#[cfg(feature = "cuda")]
pub use by_source::finished_f32_product;
pub use launch::{ProductShape, f32_product};
pub use operand::Operand;
