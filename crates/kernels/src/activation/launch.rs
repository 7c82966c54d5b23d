use cubecl::prelude::*;
use cubecl::server::Handle;

use super::ActivationKind;
use super::kernel::{backward, forward};
use crate::grid::{self, UNITS};
use crate::{KernelError, RowShape, buffer};

/// `f(x + bias)` of `x` `[rows, width]` and `bias` `[width]`. f32, contiguous. One launch.
///
/// # Errors
/// [`KernelError::TooLong`] above [`RowShape::MAX_LEN`]; [`KernelError::TooShort`] and
/// [`KernelError::Misaligned`] for handles that do not hold their tensor.
pub fn activation<R: Runtime>(
    client: &ComputeClient<R>,
    kind: ActivationKind,
    shape: RowShape,
    x: &Handle,
    bias: Option<&Handle>,
) -> Result<Handle, KernelError> {
    check("activation", shape, &[("x", x)], bias)?;
    let y = client.empty(4 * shape.len() as usize);
    if shape.is_empty() {
        return Ok(y);
    }
    let (len, width) = (shape.len() as usize, shape.width as usize);
    let added = bias.unwrap_or(x);
    let vector = shape.vector(&[x, added]);
    // SAFETY: every buffer was checked or made above, and each unit reads and writes its own
    // vector below the length, and of the bias one below the width.
    #[allow(unsafe_code)]
    unsafe {
        forward::launch_unchecked::<R>(
            client,
            grid::cubes((len / vector).div_ceil(UNITS as usize) as u32),
            CubeDim::new_1d(UNITS),
            vector,
            ArrayArg::from_raw_parts(x.clone(), len),
            ArrayArg::from_raw_parts(added.clone(), width),
            ArrayArg::from_raw_parts(y.clone(), len),
            (width / vector) as u32,
            bias.is_some(),
            kind,
        );
    }
    Ok(y)
}

/// The gradient of `x` `[rows, width]` for that of y, `dy`. f32, contiguous. One launch.
///
/// # Errors
/// As [`activation`].
pub fn activation_backward<R: Runtime>(
    client: &ComputeClient<R>,
    kind: ActivationKind,
    shape: RowShape,
    x: &Handle,
    bias: Option<&Handle>,
    dy: &Handle,
) -> Result<Handle, KernelError> {
    check("activation_backward", shape, &[("x", x), ("dy", dy)], bias)?;
    let dx = client.empty(4 * shape.len() as usize);
    if shape.is_empty() {
        return Ok(dx);
    }
    let (len, width) = (shape.len() as usize, shape.width as usize);
    let added = bias.unwrap_or(x);
    let vector = shape.vector(&[x, added, dy]);
    // SAFETY: as in `activation`.
    #[allow(unsafe_code)]
    unsafe {
        backward::launch_unchecked::<R>(
            client,
            grid::cubes((len / vector).div_ceil(UNITS as usize) as u32),
            CubeDim::new_1d(UNITS),
            vector,
            ArrayArg::from_raw_parts(x.clone(), len),
            ArrayArg::from_raw_parts(added.clone(), width),
            ArrayArg::from_raw_parts(dy.clone(), len),
            ArrayArg::from_raw_parts(dx.clone(), len),
            (width / vector) as u32,
            bias.is_some(),
            kind,
        );
    }
    Ok(dx)
}

fn check(
    kernel: &'static str,
    shape: RowShape,
    tensors: &[(&'static str, &Handle)],
    bias: Option<&Handle>,
) -> Result<(), KernelError> {
    shape.check_len(kernel)?;
    for (what, handle) in tensors {
        shape.check(kernel, what, handle)?;
    }
    match bias {
        Some(bias) => buffer::check(kernel, "bias", bias, 4 * shape.width, 4),
        None => Ok(()),
    }
}
