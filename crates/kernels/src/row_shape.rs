use cubecl::server::Handle;

use crate::rows::ROWS;
use crate::{KernelError, buffer, grid};

/// A matrix of f32, contiguous, whose rows a kernel works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowShape {
    /// Number of rows.
    pub rows: u64,
    /// Elements of a row.
    pub width: u64,
}

impl RowShape {
    /// The most elements: a position is a 32-bit number, that of a unit past the end included.
    pub const MAX_LEN: u64 = grid::MAX_UNITS;

    /// Elements in all.
    pub fn len(&self) -> u64 {
        self.rows * self.width
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn check_len(&self, kernel: &'static str) -> Result<(), KernelError> {
        if self.len() > Self::MAX_LEN {
            return Err(KernelError::TooLong {
                kernel,
                what: "x",
                limit: Self::MAX_LEN,
                len: self.len(),
                unit: "elements",
            });
        }
        Ok(())
    }

    /// Checks that a handle holds this matrix.
    pub(crate) fn check(
        &self,
        kernel: &'static str,
        what: &'static str,
        handle: &Handle,
    ) -> Result<(), KernelError> {
        buffer::check(kernel, what, handle, 4 * self.len(), 4)
    }

    /// Elements that are read at a time: four if rows and all of `handles` allow it.
    pub(crate) fn vector(&self, handles: &[&Handle]) -> usize {
        let aligned = |handle: &&Handle| buffer::offset(handle).is_multiple_of(16);
        match self.width.is_multiple_of(4) && handles.iter().all(aligned) {
            true => 4,
            false => 1,
        }
    }

    /// Cubes of [`rows`](crate::rows).
    pub(crate) fn cubes(&self) -> cubecl::CubeCount {
        grid::cubes(self.rows.div_ceil(u64::from(ROWS)) as u32)
    }
}
