//! Kernels written in CUDA C++, for what CubeCL's language cannot say: Hopper's matrix instructions
//! on groups of warps, and how the sums of a large f32 product lie in registers.
//!
//! The source is compiled as CubeCL's own is, by NVRTC when it is first launched, launched in the
//! same stream and kept in the same cache, so that it builds without a CUDA toolkit.

mod capability;
#[cfg(test)]
mod compiles;
mod room;
mod source;
mod source_text;

pub(crate) use capability::compute_capability;
pub(crate) use source::CudaSource;
pub(crate) use source_text::SourceText;
