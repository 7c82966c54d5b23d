use cubecl::prelude::*;
use cubecl::server::Handle;

use super::kernel::{backward, forward};
use crate::grid::UNITS;
use crate::{KernelError, RowShape, buffer};

/// Each row of `x` over its norm, and the norms `[rows]`. f32, contiguous. One launch.
///
/// # Errors
/// [`KernelError::TooLong`] above [`RowShape::MAX_LEN`]; [`KernelError::TooShort`] and
/// [`KernelError::Misaligned`] for a handle that does not hold its tensor.
pub fn l2_normalise<R: Runtime>(
    client: &ComputeClient<R>,
    shape: RowShape,
    x: &Handle,
) -> Result<[Handle; 2], KernelError> {
    let kernel = "l2_normalise";
    shape.check_len(kernel)?;
    shape.check(kernel, "x", x)?;
    let (len, rows) = (shape.len() as usize, shape.rows as usize);
    let (y, norms) = (client.empty(4 * len), client.empty(4 * rows));
    if shape.is_empty() {
        return Ok([y, norms]);
    }
    let vector = shape.vector(&[x]);
    // SAFETY: all buffers hold their numbers, as checked or made above, and the kernel stays below
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
            ArrayArg::from_raw_parts(norms.clone(), rows),
            shape.rows as u32,
            (shape.width as usize / vector) as u32,
        );
    }
    Ok([y, norms])
}

/// The gradient of `x` from y, the norms and y's gradient `dy`. f32, contiguous. One launch.
///
/// # Errors
/// As [`l2_normalise`].
pub fn l2_normalise_backward<R: Runtime>(
    client: &ComputeClient<R>,
    shape: RowShape,
    y: &Handle,
    norms: &Handle,
    dy: &Handle,
) -> Result<Handle, KernelError> {
    let kernel = "l2_normalise_backward";
    shape.check_len(kernel)?;
    shape.check(kernel, "y", y)?;
    shape.check(kernel, "dy", dy)?;
    buffer::check(kernel, "norms", norms, 4 * shape.rows, 4)?;
    let (len, rows) = (shape.len() as usize, shape.rows as usize);
    let dx = client.empty(4 * len);
    if shape.is_empty() {
        return Ok(dx);
    }
    let vector = shape.vector(&[y, dy]);
    // SAFETY: as in `l2_normalise`.
    #[allow(unsafe_code)]
    unsafe {
        backward::launch_unchecked::<R>(
            client,
            shape.cubes(),
            CubeDim::new_1d(UNITS),
            vector,
            ArrayArg::from_raw_parts(y.clone(), len),
            ArrayArg::from_raw_parts(norms.clone(), rows),
            ArrayArg::from_raw_parts(dy.clone(), len),
            ArrayArg::from_raw_parts(dx.clone(), len),
            shape.rows as u32,
            (shape.width as usize / vector) as u32,
        );
    }
    Ok(dx)
}
