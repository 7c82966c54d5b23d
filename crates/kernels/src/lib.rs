//! CubeCL kernels where a DoRA model spends its time, each beside a plain
//! host reference that says what it computes.
//!
//! Every kernel gives equal bits for equal inputs on one device: reductions run
//! in a fixed order, none uses atomics to add, and nothing is tuned at run time.
//!
//! Large products are written in CUDA C++ where there is CUDA (`cuda_source`), as CubeCL's language
//! lacks Hopper's matrix instructions of groups of warps.
//!
//! This crate knows no Burn: it launches on the handles of a CubeCL client and
//! returns handles.
//!
//! The tests run on an NVIDIA GPU with `--features cuda`, and without any GPU on
//! Mesa's software Vulkan driver with `--features wgpu`.

mod buffer;
#[cfg(feature = "cuda")]
mod cuda_source;
mod error;
mod grid;
mod row_shape;
mod rows;

pub mod activation;
pub mod adamw_step;
pub mod dora_merge;
pub mod dropout_mask;
pub mod f32_product;
pub mod l2_normalise;
pub mod layer_norm;
pub mod probe;
pub mod softmax;
pub mod state_hash;
pub mod sum_all;
pub mod sum_parts;
#[cfg(feature = "cuda")]
pub mod tensor_core_product;

pub use error::KernelError;
pub use row_shape::RowShape;
