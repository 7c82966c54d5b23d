use super::Layout;
use super::masked::Masked;
use super::operand::Operand;
use super::tile_storage::TileStorage;

/// How one cube of [`super::forward`] covers the weight: whole channels. Known when
/// the kernel is compiled.
///
/// The weight is a row-major matrix `[p, q]`, whichever axis is the output. A
/// *tile* is what one warp of 32 units works on at a time: 16 rows by 32
/// columns. In a tile, lane `4g + t` holds rows `2g + h` (h = 0, 1) and eight
/// columns: `8t..8t + 8`, or `4t..4t + 4` and the four 16 further on; element x
/// of row h is at `8h + x` of an array of 16. That is the accumulator layout of
/// the matrix instruction `m16n8k8` under a permutation of rows and columns that
/// makes accesses to memory wide and contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Config {
    pub layout: Layout,
    pub products: MatrixProducts,
    /// How the factors become tf32.
    pub factors: Operand,
    pub rank: usize,
    /// Warps of a cube along the rows and along the columns.
    pub warps: [usize; 2],
    /// Tiles that a warp visits: along the rows where those are channels, else down
    /// the columns.
    pub tiles: usize,
    pub storage: TileStorage,
    /// Divide the weight by its own norm first.
    pub normalised_base: bool,
    pub masked: Masked,
    /// Rows of L that a cube keeps in shared memory; 0 where each is read by one
    /// warp only, or where they are too many.
    pub slab_rows: usize,
}

/// What multiplies matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MatrixProducts {
    /// No tensor cores: fused multiply-adds in f32.
    Units,
    /// Tensor cores, operands as tf32.
    TensorCores,
}

impl MatrixProducts {
    /// Floats of shared memory that [`super::fragment`] needs for so many units.
    pub fn scratch(self, units: usize) -> usize {
        match self {
            Self::Units => units * 6,
            Self::TensorCores => 1,
        }
    }
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
    pub fn tile_channels(&self) -> usize {
        if self.rows() { 2 } else { 8 }
    }

    /// Which of [`tile_channels`](Self::tile_channels) element `i` of a lane's tile
    /// belongs to.
    pub fn own_channel(&self, i: usize) -> usize {
        if self.rows() { i / 8 } else { i % 8 }
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
        !self.rank.is_multiple_of(16)
    }

    /// Vectors of four between two rows of the slab: as many as keep the rows
    /// that lanes read together in other banks.
    pub fn slab_stride(&self) -> usize {
        self.rank_groups() * 4 + 2
    }

    /// Vectors of four in the slab.
    pub fn slab_vectors(&self) -> usize {
        self.slab_rows.max(1) * self.slab_stride()
    }

    /// Whether L's rows of a cube lie in shared memory.
    pub fn has_slab(&self) -> bool {
        self.slab_rows > 0
    }

    /// With a slab for the cube's rows, if shared memory holds it.
    pub fn with_slab(self) -> Self {
        let most = match self.products {
            MatrixProducts::Units => 10 * 1024,
            MatrixProducts::TensorCores => 150 * 1024,
        };
        let rows = self.span_p();
        let fits = rows * self.slab_stride() * 16 <= most;
        Self {
            slab_rows: if fits { rows } else { 0 },
            ..self
        }
    }

    /// Floats of shared memory that [`super::fragment`] needs.
    pub fn scratch(&self) -> usize {
        self.products.scratch(self.units())
    }
}
