//! DoRA's merged weight by fused kernels, differentiable.

#[cfg(feature = "cube")]
mod autodiff;
#[cfg(feature = "cube")]
mod by_kernels;
#[cfg(feature = "cube")]
mod cube;
mod merge_inputs;
#[cfg(feature = "cube")]
mod merge_kernels;
#[cfg(feature = "cube")]
mod merge_norms;
mod merge_spec;
#[cfg(feature = "cube")]
mod merge_tensors;
#[cfg(not(feature = "cube"))]
mod no_kernels;

use burn::tensor::{Tensor, backend::Backend};

#[cfg(feature = "cube")]
use by_kernels as kernels;
pub use merge_inputs::MergeInputs;
#[cfg(feature = "cube")]
pub(crate) use merge_kernels::{MergeKernels, Merged};
#[cfg(feature = "cube")]
pub(crate) use merge_norms::MergeNorms;
pub use merge_spec::MergeSpec;
#[cfg(feature = "cube")]
pub(crate) use merge_tensors::MergeTensors;
#[cfg(not(feature = "cube"))]
use no_kernels as kernels;

/// The merged weight W' `[in, out]`, differentiable in A, B and m, by the fused kernels of
/// `dacapo-kernels`; `None` where the backend has none or they do not take these tensors, and
/// plain tensor operations must do.
///
/// `W' = m V / (n + eps)` by output channel, with `V = base + scaling mask (B A)^T`, `n = ‖V‖`,
/// and `base` W or W/‖W‖; W' is V where n + eps is 0. W gets no gradient.
///
/// The kernels take W, and A and B alike, in f32 or in a half type that the device has, m in f32,
/// ranks up to 128, tensors of up to 2^31 elements, and constants that are finite in f32. Whether
/// they take a merge depends on types, sizes, constants and the device, never on the tensors'
/// values: one layer is computed in one way for its whole life.
///
/// # Panics
/// If the shapes do not fit each other, or the mask's rate is NaN or outside `[0, 1)`.
pub fn dora_merge<B: Backend>(inputs: &MergeInputs<B>, spec: &MergeSpec) -> Option<Tensor<B, 2>> {
    inputs.check();
    spec.check();
    kernels::merged(inputs, spec)
}

/// n = ‖V‖ `[out]`, f32, of [`dora_merge`] to the bit, without gradients and without forming W';
/// `None` as there.
///
/// # Panics
/// As [`dora_merge`].
pub fn dora_norm<B: Backend>(inputs: &MergeInputs<B>, spec: &MergeSpec) -> Option<Tensor<B, 1>> {
    inputs.check();
    spec.check();
    kernels::norm(inputs, spec)
}
