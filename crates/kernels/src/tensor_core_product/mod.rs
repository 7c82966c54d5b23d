//! Large products on Hopper's tensor cores (`wgmma`), of f32 operands rounded to TF32 or of bf16,
//! summed in f32.
//!
//! CubeCL knows the matrix instructions of single warps only, which reach less than half of the rate
//! of these (benches/RESULTS.md). An element's sum is formed along k in steps of 32 bytes, each by
//! the hardware in an order of its own, which is always the same.
//!
//! The left operand is read as it is, by the tensor memory accelerator; the right one is first written in
//! the tiles that the kernel reads, rounded, which is small work beside a large product. One group of four warps
//! fetches, two multiply; two cubes beside each other along m fetch halves of the right tiles for each
//! other. What is to become of the sums ([`Finish`](crate::finish::Finish)) does on their way out.
//!
//! Launches: two.

mod launch;
mod stored;

pub use launch::{Numbers, is_supported, is_taken, tensor_core_product};
pub use stored::Stored;
