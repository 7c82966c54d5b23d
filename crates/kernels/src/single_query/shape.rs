use cubecl::server::Handle;

use crate::{KernelError, RowShape, buffer};

/// Sizes of tensors that are f32 and contiguous: queries `[n, heads, width]`, rows
/// `[n, tokens, width]`, weights `[n, heads, tokens]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SingleQuery {
    /// Sequences.
    pub n: usize,
    /// Queries of each.
    pub heads: usize,
    /// Rows of each.
    pub tokens: usize,
    /// Of a query and a row.
    pub width: usize,
}

/// A unit holds the sums of all heads.
const MOST_HEADS: usize = 16;
/// Bytes of shared memory that any cube may have.
const SHARED: usize = 160 << 10;
/// Columns of vectors of four, and parts of the tokens, of a cube that mixes.
pub(super) const COLUMNS: usize = 64;
const PARTS: usize = 4;

impl SingleQuery {
    /// Whether the kernels take it: nothing is empty, the width comes in whole vectors of four, a
    /// processor has room for the queries and the weights of a sequence, and the grid for all.
    pub fn is_taken(&self) -> bool {
        let Self {
            n,
            heads,
            tokens,
            width,
        } = *self;
        n.min(heads).min(tokens).min(width) > 0
            && heads <= MOST_HEADS
            && width.is_multiple_of(4)
            && self.shared_of_scores().max(self.shared_of_mix()) <= SHARED
            && n <= 65_535
            && (n as u64)
                .saturating_mul(tokens as u64)
                .saturating_mul(width as u64)
                <= RowShape::MAX_LEN
    }

    pub(super) fn queries(&self) -> usize {
        self.n * self.heads * self.width
    }

    pub(super) fn rows(&self) -> usize {
        self.n * self.tokens * self.width
    }

    pub(super) fn weights(&self) -> usize {
        self.n * self.heads * self.tokens
    }

    /// The queries of a sequence.
    pub(super) fn shared_of_scores(&self) -> usize {
        self.heads.saturating_mul(self.width).saturating_mul(4)
    }

    /// The sums of all parts but one, and the weights.
    pub(super) fn shared_of_mix(&self) -> usize {
        let sums = (PARTS - 1) * self.heads * COLUMNS * 16;
        sums.saturating_add(self.heads.saturating_mul(self.tokens).saturating_mul(4))
    }

    pub(super) fn check(
        &self,
        kernel: &'static str,
        tensors: &[(&'static str, &Handle, usize)],
    ) -> Result<(), KernelError> {
        assert!(
            self.is_taken(),
            "{kernel}: expected whole vectors of four and at most {MOST_HEADS} heads, found {self:?}"
        );
        for (what, handle, len) in tensors {
            buffer::check(kernel, what, handle, 4 * *len as u64, 16)?;
        }
        Ok(())
    }
}
