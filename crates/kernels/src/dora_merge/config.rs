use super::{Layout, Products};

/// How one cube of a kernel covers the weight. Everything here is known when the
/// kernel is compiled.
///
/// The weight is a row-major matrix `[p, q]`, whichever axis is the output. A
/// *tile* is what one warp of 32 units works on at a time: 16 rows by 32
/// columns. In a tile, lane `4g + t` holds rows `2g + h` (h = 0, 1) and the
/// eight columns `8t..8t + 8`, at `8h + x` of an array of 16. That is the
/// accumulator layout of the matrix instruction `m16n8k8` under a permutation of
/// rows and columns that makes every access to memory one wide, contiguous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Config {
    pub layout: Layout,
    pub products: MatrixProducts,
    pub rank: usize,
    /// Warps of a cube along the rows and along the columns.
    pub warps: [usize; 2],
    /// Tiles that a warp visits: along the columns (`OutIn`) or the rows
    /// (`InOut`), so that a lane's sums belong to the same channels.
    pub tiles: usize,
    /// Rows or columns of the weight do not fill the tiles.
    pub guard: bool,
    /// Divide the weight by its own norm first.
    pub normalised_base: bool,
}

/// [`Products`] on a given device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MatrixProducts {
    /// No tensor cores: fused multiply-adds in f32.
    Units,
    /// Tensor cores, operands as the sum of two tf32.
    SplitTf32,
    /// Tensor cores, operands rounded to tf32.
    Tf32,
}

/// Rows of a tile.
pub(crate) const TILE_P: usize = 16;
/// Columns of a tile.
pub(crate) const TILE_Q: usize = 32;
/// Units of a warp.
pub(crate) const WARP: usize = 32;
/// Elements of a tile that one lane holds.
pub(crate) const LANE: usize = 16;

impl Config {
    pub fn units(&self) -> usize {
        self.warps[0] * self.warps[1] * WARP
    }

    /// Rows that a cube covers.
    pub fn span_p(&self) -> usize {
        TILE_P * self.warps[0] * if self.rows() { 1 } else { self.tiles }
    }

    /// Columns that a cube covers.
    pub fn span_q(&self) -> usize {
        TILE_Q * self.warps[1] * if self.rows() { self.tiles } else { 1 }
    }

    /// Whether a row is an output channel.
    pub fn rows(&self) -> bool {
        matches!(self.layout, Layout::OutIn)
    }

    /// Channels that a cube covers.
    pub fn span_channels(&self) -> usize {
        if self.rows() {
            self.span_p()
        } else {
            self.span_q()
        }
    }

    /// Channels of which one lane holds elements.
    pub fn lane_channels(&self) -> usize {
        if self.rows() { 2 } else { 8 }
    }

    /// Lanes of a cube that hold elements of one channel.
    pub fn lanes_per_channel(&self) -> usize {
        if self.rows() {
            4 * self.warps[1]
        } else {
            8 * self.warps[0]
        }
    }

    /// Groups of 16 of the rank.
    pub fn rank_groups(&self) -> usize {
        self.rank.div_ceil(16)
    }

    /// Whether the last group of the rank is not full.
    pub fn guard_rank(&self) -> bool {
        self.rank % 16 != 0
    }

    /// Floats of shared memory that [`super::fragment`] needs.
    pub fn scratch(&self) -> usize {
        match self.products {
            MatrixProducts::Units => self.units() * 6,
            _ => 1,
        }
    }
}

impl Products {
    pub(crate) fn on(self, tensor_cores: bool) -> MatrixProducts {
        match (self, tensor_cores) {
            (_, false) => MatrixProducts::Units,
            (Self::F32, true) => MatrixProducts::SplitTf32,
            (Self::Tf32, true) => MatrixProducts::Tf32,
        }
    }
}
