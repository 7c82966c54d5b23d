//! CubeCL kernels where a DoRA model spends its time, each beside a plain
//! host reference that says what it computes.
//!
//! Every kernel gives equal bits for equal inputs on one device: reductions run
//! in a fixed order, none uses atomics to add, and nothing is tuned at run time.
//!
//! Large products are written in CUDA C++ where there is CUDA (`cuda_source`), as CubeCL's language
//! lacks Hopper's matrix instructions of groups of warps, and so is what is computed beside them.
//!
//! This crate knows no Burn: it launches on the handles of a CubeCL client and
//! returns handles.
//!
//! Without the feature `cube` it is what the [`host`] computes, and knows no CubeCL either.
//!
//! The tests run on an NVIDIA GPU with `--features cuda`, and without any GPU on
//! Mesa's software Vulkan driver with `--features wgpu`.

#[cfg(feature = "cube")]
mod buffer;
#[cfg(feature = "cuda")]
mod cuda_source;
#[cfg(feature = "cube")]
mod error;
#[cfg(feature = "cube")]
mod grid;
#[cfg(feature = "cube")]
mod row_shape;
#[cfg(feature = "cube")]
mod rows;

#[cfg(feature = "cube")]
pub mod activation;
#[cfg(feature = "cube")]
pub mod adamw_step;
#[cfg(feature = "cube")]
pub mod dora_merge;
#[cfg(feature = "cube")]
pub mod dropout_mask;
#[cfg(feature = "cube")]
pub mod f32_product;
#[cfg(feature = "cuda")]
pub mod finish;
#[cfg(feature = "cube")]
pub mod gather_rows;
pub mod host;
#[cfg(feature = "cube")]
pub mod l2_normalise;
#[cfg(feature = "cube")]
pub mod layer_norm;
#[cfg(feature = "cube")]
pub mod probe;
#[cfg(feature = "cuda")]
pub mod single_query;
#[cfg(feature = "cuda")]
pub mod small_product;
#[cfg(feature = "cube")]
pub mod softmax;
#[cfg(feature = "cube")]
pub mod state_hash;
#[cfg(feature = "cube")]
pub mod sum_all;
#[cfg(feature = "cube")]
pub mod sum_parts;
#[cfg(feature = "cuda")]
pub mod tensor_core_product;

#[cfg(feature = "cube")]
pub use error::KernelError;
#[cfg(feature = "cube")]
pub use row_shape::RowShape;
