//! CubeCL kernels where a DoRA model spends its own time, each beside a plain
//! host reference that says what it computes.
//!
//! Every kernel gives equal bits for equal inputs on one device: reductions run
//! in a fixed order, none uses atomics to add, and nothing is tuned at run time.
//!
//! This crate knows no Burn: it launches on the handles of a CubeCL client and
//! returns handles.
//!
//! The tests run on an NVIDIA GPU with `--features cuda`, and without any GPU on
//! Mesa's software Vulkan driver with `--features wgpu`.

mod buffer;
mod error;
mod grid;

pub mod adamw_step;
pub mod dora_merge;
pub mod dropout_mask;
pub mod probe;
pub mod state_hash;

pub use error::KernelError;
