use cubecl::prelude::*;
use cubecl::server::Handle;

use super::kernel::{backward, forward};
use crate::grid::UNITS;
use crate::{KernelError, RowShape};

/// The softmax of `scale x` over the rows of `x`. f32, contiguous. One launch.
///
/// # Errors
/// [`KernelError::TooLong`] above [`RowShape::MAX_LEN`]; [`KernelError::TooShort`] and
/// [`KernelError::Misaligned`] for a handle that does not hold its tensor.
pub fn softmax<R: Runtime>(
    client: &ComputeClient<R>,
    shape: RowShape,
    x: &Handle,
    scale: f32,
) -> Result<Handle, KernelError> {
    let kernel = "softmax";
    shape.check_len(kernel)?;
    shape.check(kernel, "x", x)?;
    let len = shape.len() as usize;
    let y = client.empty(4 * len);
    if shape.is_empty() {
        return Ok(y);
    }
    let vector = shape.vector(&[x]);
    // SAFETY: both buffers hold the matrix, as checked or made above, and the kernel stays below
    // `rows` and `width`.
    #[allow(unsafe_code)]
    unsafe {
        forward::launch_unchecked::<R>(
            client,
            shape.cubes(),
            CubeDim::new_1d(UNITS),
            vector,
            ArrayArg::from_raw_parts(x.clone(), len),
            ArrayArg::from_raw_parts(y.clone(), len),
            shape.rows as u32,
            (shape.width as usize / vector) as u32,
            scale,
        );
    }
    Ok(y)
}

/// The gradient of `x` from y and its gradient `dy`. f32, contiguous. One launch.
///
/// # Errors
/// As [`softmax`].
pub fn softmax_backward<R: Runtime>(
    client: &ComputeClient<R>,
    shape: RowShape,
    y: &Handle,
    dy: &Handle,
    scale: f32,
) -> Result<Handle, KernelError> {
    let kernel = "softmax_backward";
    shape.check_len(kernel)?;
    shape.check(kernel, "y", y)?;
    shape.check(kernel, "dy", dy)?;
    let len = shape.len() as usize;
    let dx = client.empty(4 * len);
    if shape.is_empty() {
        return Ok(dx);
    }
    let vector = shape.vector(&[y, dy]);
    // SAFETY: as in `softmax`.
    #[allow(unsafe_code)]
    unsafe {
        backward::launch_unchecked::<R>(
            client,
            shape.cubes(),
            CubeDim::new_1d(UNITS),
            vector,
            ArrayArg::from_raw_parts(y.clone(), len),
            ArrayArg::from_raw_parts(dy.clone(), len),
            ArrayArg::from_raw_parts(dx.clone(), len),
            shape.rows as u32,
            (shape.width as usize / vector) as u32,
            scale,
        );
    }
    Ok(dx)
}
