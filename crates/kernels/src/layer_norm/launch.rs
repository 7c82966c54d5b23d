use cubecl::prelude::*;
use cubecl::server::Handle;

use super::kernel::{backward, forward};
use crate::grid::UNITS;
use crate::{KernelError, RowShape, buffer};

/// What [`layer_norm`] gives, f32.
#[derive(Debug, Clone)]
pub struct Normalised {
    /// `[rows, width]`.
    pub y: Handle,
    /// Mean of each row, `[rows]`.
    pub mean: Handle,
    /// 1 / sqrt(variance + eps) of each row, `[rows]`.
    pub rstd: Handle,
}

/// Normalises the rows of `x`; `gamma` and `beta` are `[width]`. f32, contiguous. One launch.
///
/// # Errors
/// [`KernelError::TooLong`] above [`RowShape::MAX_LEN`]; [`KernelError::TooShort`] and
/// [`KernelError::Misaligned`] for handles that do not hold their tensor.
pub fn layer_norm<R: Runtime>(
    client: &ComputeClient<R>,
    shape: RowShape,
    x: &Handle,
    gamma: &Handle,
    beta: Option<&Handle>,
    eps: f32,
) -> Result<Normalised, KernelError> {
    let kernel = "layer_norm";
    shape.check_len(kernel)?;
    shape.check(kernel, "x", x)?;
    buffer::check(kernel, "gamma", gamma, 4 * shape.width, 4)?;
    if let Some(beta) = beta {
        buffer::check(kernel, "beta", beta, 4 * shape.width, 4)?;
    }
    let (len, width) = (shape.len() as usize, shape.width as usize);
    let out = Normalised {
        y: client.empty(4 * len),
        mean: client.empty(4 * shape.rows as usize),
        rstd: client.empty(4 * shape.rows as usize),
    };
    if shape.is_empty() {
        return Ok(out);
    }
    let shift = beta.unwrap_or(gamma);
    let vector = shape.vector(&[x, gamma, shift]);
    // SAFETY: every buffer was checked or made above, and the kernel stays below `rows` and `width`.
    #[allow(unsafe_code)]
    unsafe {
        forward::launch_unchecked::<R>(
            client,
            shape.cubes(),
            CubeDim::new_1d(UNITS),
            vector,
            ArrayArg::from_raw_parts(x.clone(), len),
            ArrayArg::from_raw_parts(gamma.clone(), width),
            ArrayArg::from_raw_parts(shift.clone(), width),
            ArrayArg::from_raw_parts(out.y.clone(), len),
            ArrayArg::from_raw_parts(out.mean.clone(), shape.rows as usize),
            ArrayArg::from_raw_parts(out.rstd.clone(), shape.rows as usize),
            shape.rows as u32,
            (width / vector) as u32,
            width as f32,
            eps,
            beta.is_some(),
        );
    }
    Ok(out)
}

/// The gradient `[rows, width]` of `x` for the gradient `dy` of y, from what the forward pass
/// read and its `mean` and `rstd`. f32, contiguous. One launch.
///
/// # Errors
/// As [`layer_norm`].
pub fn layer_norm_backward<R: Runtime>(
    client: &ComputeClient<R>,
    shape: RowShape,
    x: &Handle,
    gamma: &Handle,
    [mean, rstd]: [&Handle; 2],
    dy: &Handle,
) -> Result<Handle, KernelError> {
    let kernel = "layer_norm_backward";
    shape.check_len(kernel)?;
    shape.check(kernel, "x", x)?;
    shape.check(kernel, "dy", dy)?;
    buffer::check(kernel, "gamma", gamma, 4 * shape.width, 4)?;
    buffer::check(kernel, "mean", mean, 4 * shape.rows, 4)?;
    buffer::check(kernel, "rstd", rstd, 4 * shape.rows, 4)?;
    let (len, width, rows) = (
        shape.len() as usize,
        shape.width as usize,
        shape.rows as usize,
    );
    let dx = client.empty(4 * len);
    if shape.is_empty() {
        return Ok(dx);
    }
    let vector = shape.vector(&[x, gamma, dy]);
    // SAFETY: every buffer was checked or made above, and the kernel stays below `rows` and `width`.
    #[allow(unsafe_code)]
    unsafe {
        backward::launch_unchecked::<R>(
            client,
            shape.cubes(),
            CubeDim::new_1d(UNITS),
            vector,
            ArrayArg::from_raw_parts(x.clone(), len),
            ArrayArg::from_raw_parts(gamma.clone(), width),
            ArrayArg::from_raw_parts(mean.clone(), rows),
            ArrayArg::from_raw_parts(rstd.clone(), rows),
            ArrayArg::from_raw_parts(dy.clone(), len),
            ArrayArg::from_raw_parts(dx.clone(), len),
            rows as u32,
            (width / vector) as u32,
            width as f32,
        );
    }
    Ok(dx)
}
