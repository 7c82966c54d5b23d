//! CubeCL kernels where a DoRA model spends its own time, each beside a plain
//! host reference that says what it computes.
//!
//! Every kernel gives equal bits for equal inputs on one device: reductions run
//! in a fixed order, none uses atomics to add, and nothing is tuned at run time.
//!
//! This crate knows no Burn and owns no memory: it launches on handles that the
//! caller allocated.

mod buffer;
mod error;
mod grid;

pub mod adamw_step;
pub mod dora_merge;
pub mod dropout_mask;
pub mod probe;
pub mod state_hash;

pub use error::KernelError;
