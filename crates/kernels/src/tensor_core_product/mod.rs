//! Large products on Hopper's tensor cores (`wgmma`), of f32 operands rounded to TF32 or of bf16,
//! summed in f32.
//!
//! CubeCL knows the matrix instructions of single warps only, which reach less than half of the rate
//! of these (benches/RESULTS.md). An element's sum is formed along k in steps of 32 bytes, each by
//! the hardware in an order of its own, which is always the same.
//!
//! The left operand is read as it is; the right one is first written with k together in memory,
//! which is small work beside a large product. Launches: one or two.

mod launch;

pub use launch::{Numbers, is_supported, is_taken, tensor_core_product};
