use cubecl::prelude::*;
use cubecl::server::Handle;

use super::kernel::sum;
use crate::grid::{self, UNITS};
use crate::{KernelError, RowShape};

/// The sum `[width]` of the rows of `parts`, first to last. f32, contiguous. One launch.
///
/// # Errors
/// [`KernelError::TooLong`] above [`RowShape::MAX_LEN`]; [`KernelError::TooShort`] and
/// [`KernelError::Misaligned`] for a handle that does not hold its tensor.
pub fn sum_parts<R: Runtime>(
    client: &ComputeClient<R>,
    shape: RowShape,
    parts: &Handle,
) -> Result<Handle, KernelError> {
    let kernel = "sum_parts";
    shape.check_len(kernel)?;
    shape.check(kernel, "parts", parts)?;
    let (len, width) = (shape.len() as usize, shape.width as usize);
    if shape.is_empty() {
        return Ok(client.create_from_slice(&vec![0; 4 * width]));
    }
    let total = client.empty(4 * width);
    let vector = shape.vector(&[parts]);
    // SAFETY: both buffers were checked or made above, and each unit reads and writes below `width`.
    #[allow(unsafe_code)]
    unsafe {
        sum::launch_unchecked::<R>(
            client,
            grid::cubes((width / vector).div_ceil(UNITS as usize) as u32),
            CubeDim::new_1d(UNITS),
            vector,
            ArrayArg::from_raw_parts(parts.clone(), len),
            ArrayArg::from_raw_parts(total.clone(), width),
            shape.rows as u32,
        );
    }
    Ok(total)
}
