use super::config::{MatrixProducts, TILE_P, TILE_Q, WARP};
use super::masked::Masked;
use super::operand::Operand;
use super::tile_storage::TileStorage;

/// How a cube of [`super::sweep`] covers the weight. Known when the kernel is
/// compiled.
///
/// The weight is a row-major matrix `[p, q]`, whichever axis is the output. A
/// tile is 16 rows by 32 columns. In it, lane `4g + t` holds rows `2g + h`
/// (h = 0, 1) and eight columns: `8t..8t + 8`, or `4t..4t + 4` and the four 16
/// further on; element x of row h is at `8h + x` of an array of 16. That is the
/// accumulator layout of the matrix instruction `m16n8k8` under a permutation of
/// rows and columns that makes accesses to memory wide and contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SweepConfig {
    /// A channel is a row, so a warp goes along its rows; else down its columns.
    pub along: bool,
    pub products: MatrixProducts,
    /// How the factors become tf32.
    pub factors: Operand,
    /// A multiple of 16.
    pub ranks: usize,
    pub warps: usize,
    /// Of a cube.
    pub rows: usize,
    pub columns: usize,
    /// Tiles that are on their way while one is worked on.
    pub ahead: usize,
    pub storage: TileStorage,
    pub normalised_base: bool,
    pub masked: Masked,
}

impl SweepConfig {
    pub fn units(&self) -> usize {
        self.warps * WARP
    }

    /// Of a cube.
    pub fn channels(&self) -> usize {
        if self.along { self.rows } else { self.columns }
    }

    /// Of a warp.
    pub fn tiles(&self) -> usize {
        if self.along {
            self.columns / TILE_Q
        } else {
            self.rows / TILE_P
        }
    }

    /// Of which one lane holds elements.
    pub fn own_channels(&self) -> usize {
        if self.along { 2 } else { 8 }
    }

    /// Which of them element `i` of a lane's tile belongs to.
    pub fn own_channel(&self, i: usize) -> usize {
        if self.along { i / 8 } else { i % 8 }
    }

    /// Floats for ‖W‖ of the channels.
    pub fn bases(&self) -> usize {
        if self.normalised_base {
            self.channels()
        } else {
            1
        }
    }

    /// That hold parts of one channel.
    pub fn lanes(&self) -> usize {
        if self.along { 4 } else { 8 }
    }

    /// Floats for those parts.
    pub fn shares(&self) -> usize {
        self.channels() * (self.lanes() + 1)
    }

    /// Groups of 16 ranks.
    pub fn groups(&self) -> usize {
        self.ranks / 16
    }

    pub fn tensor_cores(&self) -> bool {
        self.products == MatrixProducts::TensorCores
    }

    /// Fours between pairs of rows of L: so that what the lanes read together
    /// lies in other banks.
    pub fn left_stride(&self) -> usize {
        self.ranks / 2 + 1
    }

    /// Fours between pairs of ranks of R. For the same reason there are gaps: one
    /// in every 16 columns, or the pairs are shifted.
    pub fn right_stride(&self) -> usize {
        if self.storage.one_run {
            self.columns / 2 + 2
        } else {
            self.columns / 2 + self.columns / 16 + 1
        }
    }

    pub fn left_slab(&self) -> usize {
        self.rows / 2 * self.left_stride()
    }

    pub fn right_slab(&self) -> usize {
        self.ranks / 2 * self.right_stride()
    }

    /// Bytes of shared memory of a cube.
    pub fn shared_bytes(&self) -> usize {
        let floats = self.scratch() + self.shares() + 2 * self.channels();
        16 * (self.left_slab() + self.right_slab()) + 4 * floats
    }

    /// Floats of shared memory that [`super::fragment`] needs.
    pub fn scratch(&self) -> usize {
        self.products.scratch(self.units())
    }
}
