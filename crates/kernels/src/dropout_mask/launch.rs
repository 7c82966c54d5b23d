use cubecl::prelude::*;
use cubecl::server::Handle;

use super::kernel::{apply_mask, write_mask};
use super::{MaskDtype, MaskParams};
use crate::grid::{self, UNITS};
use crate::{KernelError, buffer};

/// The longest mask, in elements: a little under 2^34, because a unit's position
/// is a 32-bit number and makes four of them.
pub const MAX_LEN: u64 = 4 * grid::MAX_UNITS;

/// A new buffer with the first `len` elements of the mask, in f32. One launch.
///
/// # Errors
///
/// [`KernelError::TooLong`] above [`MAX_LEN`].
pub fn dropout_mask<R: Runtime>(
    client: &ComputeClient<R>,
    params: &MaskParams,
    len: u64,
) -> Result<Handle, KernelError> {
    check_len("dropout_mask", len, MAX_LEN)?;
    // Whole blocks, so that no unit has a tail; the handle ends after `len`.
    let blocks = len.div_ceil(4);
    let padded = client.empty(16 * blocks as usize);
    if blocks > 0 {
        // SAFETY: the buffer was made of `4 * blocks` elements just above, and
        // each unit writes the vector of its own position below that length.
        #[allow(unsafe_code)]
        unsafe {
            write_mask::launch_unchecked::<R>(
                client,
                grid::cubes(blocks.div_ceil(UNITS.into()) as u32),
                CubeDim::new_1d(UNITS),
                ArrayArg::from_raw_parts(padded.clone(), 4 * blocks as usize),
                params.args(),
            );
        }
    }
    Ok(padded.offset_end(4 * (4 * blocks - len)))
}

/// A new buffer with the elements of `x` (`len` of `dtype`, contiguous), each
/// times the mask's factor: the product is taken in f32 and rounded to `dtype`.
/// A dropped element is `x * 0`, which keeps NaN, infinity's NaN and the sign of
/// zero as a product of tensors would. One launch.
///
/// # Errors
///
/// [`KernelError::TooLong`] above [`MAX_LEN`], or above a quarter of it where
/// `len` is no multiple of 4 or `x` starts at no multiple of four elements;
/// [`KernelError::TooShort`] and [`KernelError::Misaligned`] if `x` cannot hold
/// `len` elements.
pub fn dropout_apply<R: Runtime>(
    client: &ComputeClient<R>,
    params: &MaskParams,
    x: &Handle,
    len: u64,
    dtype: MaskDtype,
) -> Result<Handle, KernelError> {
    let kernel = "dropout_apply";
    let bytes = len * dtype.size();
    let vectors = len.is_multiple_of(4) && buffer::offset(x).is_multiple_of(4 * dtype.size());
    let (limit, width) = if vectors {
        (MAX_LEN, 4)
    } else {
        (MAX_LEN / 4, 1)
    };
    check_len(kernel, len, limit)?;
    buffer::check(kernel, "x", x, bytes, dtype.size())?;
    let output = client.empty(bytes as usize);
    if len > 0 {
        let blocks = len.div_ceil(4);
        // SAFETY: both buffers hold `len` elements, as checked above, and each
        // unit reads and writes below that length only.
        #[allow(unsafe_code)]
        unsafe {
            apply_mask::launch_unchecked::<R>(
                client,
                grid::cubes(blocks.div_ceil(UNITS.into()) as u32),
                CubeDim::new_1d(UNITS),
                width,
                ArrayArg::from_raw_parts(x.clone(), len as usize),
                ArrayArg::from_raw_parts(output.clone(), len as usize),
                params.args(),
                dtype.storage(),
            );
        }
    }
    Ok(output)
}

fn check_len(kernel: &'static str, len: u64, limit: u64) -> Result<(), KernelError> {
    if len > limit {
        return Err(KernelError::TooLong {
            kernel,
            what: "len",
            limit,
            len,
            unit: "elements",
        });
    }
    Ok(())
}
