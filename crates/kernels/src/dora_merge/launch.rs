//! Choice of kernels and their launches. The choice depends on the problem alone.

use cubecl::features::MmaConfig;
use cubecl::ir::StorageType;
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::config::MatrixProducts;
use super::forward as kernels;
use super::launch_fused::fused_typed;
use super::launch_sweep::{Sweep, sweep_typed};
use super::sweep::Goal;
use super::{MergeError, Problem, Storage};
use crate::dropout_mask::{MaskArgsLaunch, MaskParams};

/// Calls a function `f::<R, W, A>` with the types of a problem.
macro_rules! with_types {
    ($problem:expr, $function:ident :: <$runtime:ty> $arguments:tt) => {
        match $problem.weight {
            Storage::F32 => with_types!(@factors $problem, $function, $runtime, f32, $arguments),
            Storage::Bf16 => {
                with_types!(@factors $problem, $function, $runtime, half::bf16, $arguments)
            }
            Storage::F16 => {
                with_types!(@factors $problem, $function, $runtime, half::f16, $arguments)
            }
        }
    };
    (@factors $problem:expr, $function:ident, $runtime:ty, $weight:ty, $arguments:tt) => {
        match $problem.factors {
            Storage::F32 => $function::<$runtime, $weight, f32> $arguments,
            Storage::Bf16 => $function::<$runtime, $weight, half::bf16> $arguments,
            Storage::F16 => $function::<$runtime, $weight, half::f16> $arguments,
        }
    };
}
pub(super) use with_types;

/// The frozen and the trained tensors of a merge, each contiguous.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// W, in the problem's layout and weight type.
    pub weight: Handle,
    /// A `[rank, in]`, in the factors' type.
    pub lora_a: Handle,
    /// B `[out, rank]`, in the factors' type.
    pub lora_b: Handle,
    /// m `[out]`, f32.
    pub magnitude: Handle,
    /// ‖W‖ `[out]`, f32, for a normalised base only.
    pub base_norm: Option<Handle>,
    /// Dropout of the update: the factor of the element of B·A that is added to
    /// element i of W, in the problem's layout, is the mask's i-th.
    pub mask: Option<MaskParams>,
}

impl Inputs {
    /// The mask, or something that is not read.
    pub(super) fn mask_args<R: Runtime>(&self) -> MaskArgsLaunch<R> {
        let mask = self.mask;
        let none = || MaskParams::new([0; 2], [0; 2], 0.0).expect("0 is a rate");
        mask.unwrap_or_else(none).args()
    }
}

/// What [`forward`] returns.
#[derive(Clone, Debug)]
pub struct Merged {
    /// W', like W.
    pub weight: Handle,
    /// n = ‖V‖ `[out]`, f32, without eps. The backward pass needs it.
    pub norm: Handle,
}

/// Computes W' and the norm. One launch where a channel has at most 1,024
/// inputs, else two: the norm's partial sums, then the scaling.
///
/// # Errors
/// A size of 0 or too large, a constant that is not finite, a storage type that
/// the device lacks, base norms missing or not asked for.
pub fn forward<R: Runtime>(
    client: &ComputeClient<R>,
    problem: &Problem,
    inputs: &Inputs,
) -> Result<Merged, MergeError> {
    check(client, problem, inputs)?;
    let merged = Merged {
        weight: client.empty(problem.d_in * problem.d_out * problem.weight.size()),
        norm: client.empty(problem.d_out * 4),
    };
    if is_fused(problem) {
        with_types!(
            problem,
            fused_typed::<R>(client, problem, inputs, &merged, true)
        );
        return Ok(merged);
    }
    let sweep = Sweep::new(client, problem, inputs)?;
    let partials = sweep.partials();
    for goal in [Goal::Squares, Goal::Merged] {
        with_types!(problem, sweep_typed::<R>(&sweep, &partials, &merged, goal));
    }
    Ok(merged)
}

/// Computes n = ‖V‖ `[out]`, f32, alone, equal in every bit to [`forward`]'s.
/// As many launches; W' is not written.
///
/// # Errors
/// As [`forward`].
pub fn norm<R: Runtime>(
    client: &ComputeClient<R>,
    problem: &Problem,
    inputs: &Inputs,
) -> Result<Handle, MergeError> {
    check(client, problem, inputs)?;
    let norm = client.empty(problem.d_out * 4);
    if is_fused(problem) {
        let merged = Merged {
            weight: inputs.weight.clone(),
            norm: norm.clone(),
        };
        with_types!(
            problem,
            fused_typed::<R>(client, problem, inputs, &merged, false)
        );
        return Ok(norm);
    }
    let sweep = Sweep::new(client, problem, inputs)?;
    let partials = sweep.partials();
    let merged = Merged {
        weight: inputs.weight.clone(),
        norm: norm.clone(),
    };
    with_types!(
        problem,
        sweep_typed::<R>(&sweep, &partials, &merged, Goal::Squares)
    );
    // SAFETY: the kernel checks its position against the norm's length, and
    // reads `splits` rows of that length.
    #[allow(unsafe_code)]
    unsafe {
        kernels::finish_norm::launch_unchecked::<R>(
            client,
            CubeCount::Static(problem.d_out.div_ceil(256) as u32, 1, 1),
            CubeDim::new_1d(256),
            ArrayArg::from_raw_parts(partials, sweep.splits() * problem.d_out),
            ArrayArg::from_raw_parts(norm.clone(), problem.d_out),
            sweep.splits() as u32,
        );
    }
    Ok(norm)
}

/// The number of kernel launches of [`forward`].
pub fn forward_launches(problem: &Problem) -> usize {
    if is_fused(problem) { 1 } else { 2 }
}

/// Inputs of a channel up to which V stays in one cube's registers.
const FUSED: usize = 1024;

fn is_fused(problem: &Problem) -> bool {
    problem.d_in <= FUSED
}

pub(super) fn check<R: Runtime>(
    client: &ComputeClient<R>,
    problem: &Problem,
    inputs: &Inputs,
) -> Result<(), MergeError> {
    problem.check()?;
    for storage in [problem.weight, problem.factors] {
        let kind = match storage {
            Storage::F32 => f32::cube_type(),
            Storage::Bf16 => half::bf16::cube_type(),
            Storage::F16 => half::f16::cube_type(),
        };
        if !client.properties().supports_type(kind) {
            return Err(MergeError::UnsupportedStorage { found: storage });
        }
    }
    let (expected, found) = match (problem.normalised_base, inputs.base_norm.is_some()) {
        (true, false) => ("‖W‖ for each output", "none"),
        (false, true) => ("none, as the base is not normalised", "some"),
        _ => return Ok(()),
    };
    Err(MergeError::BaseNorm { expected, found })
}

/// What multiplies matrices on this device.
pub(super) fn matrix_products<R: Runtime>(client: &ComputeClient<R>) -> MatrixProducts {
    if has_tensor_cores(client) {
        MatrixProducts::TensorCores
    } else {
        MatrixProducts::Units
    }
}

/// Whether the device has the matrix instruction that the kernels use.
fn has_tensor_cores<R: Runtime>(client: &ComputeClient<R>) -> bool {
    let hardware = &client.properties().hardware;
    let wanted = MmaConfig {
        a_type: StorageType::Scalar(tf32_type()),
        b_type: StorageType::Scalar(tf32_type()),
        cd_type: f32::cube_type(),
        m: 16,
        n: 8,
        k: 8,
    };
    hardware.plane_size_min == 32
        && hardware.plane_size_max == 32
        && client.features().matmul.mma.contains(&wanted)
}

fn tf32_type() -> cubecl::ir::ElemType {
    cubecl::ir::ElemType::Float(cubecl::ir::FloatKind::TF32)
}

/// Elements that one access moves: `wanted`, or as many as 16 bytes hold and the
/// device takes, where rows of `along` elements begin at multiples of it; else one.
pub(super) fn vector_width<R: Runtime>(
    client: &ComputeClient<R>,
    storage: Storage,
    wanted: usize,
    along: usize,
) -> usize {
    let largest = client.properties().hardware.max_vector_size;
    let width = wanted.min(16 / storage.size()).min(largest);
    if along.is_multiple_of(width) {
        width
    } else {
        1
    }
}

/// The same for a factor `[rank, n]` or `[n, rank]`, of which kernels read blocks
/// of 4 by 4.
pub(super) fn factor_width<R: Runtime>(
    client: &ComputeClient<R>,
    problem: &Problem,
    ranks_first: bool,
    n: usize,
) -> usize {
    let along = if ranks_first { n } else { problem.rank };
    vector_width(client, problem.factors, 4, along)
}

/// About two cubes for each processor of a large GPU, whatever the device, as the
/// order of sums depends on it.
pub(super) const CUBES: usize = 200;

pub(super) fn array<R: Runtime>(handle: &Handle, len: usize) -> ArrayArg<R> {
    // SAFETY: callers give the length that the handle was made with.
    #[allow(unsafe_code)]
    unsafe {
        ArrayArg::from_raw_parts(handle.clone(), len)
    }
}

/// Whether this device computes the products on tensor cores.
pub fn uses_tensor_cores<R: Runtime>(client: &ComputeClient<R>, problem: &Problem) -> bool {
    problem.check().is_ok() && has_tensor_cores(client)
}
