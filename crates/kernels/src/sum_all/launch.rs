use cubecl::prelude::*;
use cubecl::server::Handle;

use super::CHUNK;
use super::kernel::sum;
use crate::grid::{self, UNITS};
use crate::{KernelError, RowShape};

/// What is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// The elements.
    Elements,
    /// Their squares, each added with one rounding.
    Squares,
}

/// The sum `[1]` of `len` f32, contiguous. In [`reference`](super::reference)'s order.
///
/// # Errors
/// [`KernelError::TooLong`] above [`RowShape::MAX_LEN`]; [`KernelError::TooShort`] and
/// [`KernelError::Misaligned`] for a handle that does not hold its tensor.
pub fn sum_all<R: Runtime>(
    client: &ComputeClient<R>,
    len: u64,
    x: &Handle,
    terms: Terms,
) -> Result<Handle, KernelError> {
    let kernel = "sum_all";
    let row = |width| RowShape { rows: 1, width };
    row(len).check_len(kernel)?;
    row(len).check(kernel, "x", x)?;
    if len == 0 {
        return Ok(client.create_from_slice(&[0; 4]));
    }
    let (mut x, mut len, mut squares) = (x.clone(), len as usize, terms == Terms::Squares);
    loop {
        let cubes = len.div_ceil(CHUNK);
        let totals = client.empty(4 * cubes);
        let vector = row(len as u64).vector(&[&x]);
        // SAFETY: both buffers were checked or made above; a unit reads below `len`, and the first of a
        // cube writes its total.
        #[allow(unsafe_code)]
        unsafe {
            sum::launch_unchecked::<R>(
                client,
                grid::cubes(cubes as u32),
                CubeDim::new_1d(UNITS),
                vector,
                ArrayArg::from_raw_parts(x, len),
                ArrayArg::from_raw_parts(totals.clone(), cubes),
                (CHUNK / vector) as u32,
                squares,
            );
        }
        if cubes == 1 {
            return Ok(totals);
        }
        (x, len, squares) = (totals, cubes, false);
    }
}
