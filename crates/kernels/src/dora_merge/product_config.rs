use super::config::{MatrixProducts, WARP};
use super::operand::Operand;

/// How a kernel multiplies a matrix like the weight by one of the factors. Known
/// when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ProductConfig {
    pub products: MatrixProducts,
    /// Of the large matrix.
    pub x: Operand,
    pub factor: Operand,
    pub pass: Pass,
    /// The factor is `[rank, n]`, as A is; else `[n, rank]`, as B is.
    pub ranks_first: bool,
    /// Ranks of a cube.
    pub ranks: usize,
    /// Warps of a cube.
    pub warps: usize,
    /// Rows or columns that a cube sums over.
    pub span: usize,
    /// Neighbours in a row that a lane takes: as many as one access moves.
    pub run: usize,
    /// Loads that are on their way while one is worked on.
    pub ahead: usize,
    /// The matrix is stored as bfloat16.
    pub bf16: bool,
    /// The matrix does not fill the cubes.
    pub guard: bool,
}

/// What is multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pass {
    /// G and, with `full`, W beside it. <G, W> of each channel is summed too.
    First { full: bool },
    /// G times a coefficient of its channel, with `full` less W times another.
    Second { full: bool },
    /// G alone.
    Plain,
}

impl ProductConfig {
    pub fn units(&self) -> usize {
        self.warps * WARP
    }

    pub fn has_dots(&self) -> bool {
        matches!(self.pass, Pass::First { .. })
    }

    pub fn has_coefficients(&self) -> bool {
        matches!(self.pass, Pass::Second { .. })
    }

    /// Whether the first pass has just read the matrices.
    pub fn backwards(&self) -> bool {
        self.has_coefficients()
    }

    /// Whether W is read.
    pub fn reads_weight(&self) -> bool {
        matches!(self.pass, Pass::First { .. } | Pass::Second { full: true })
    }

    /// Products that are kept apart.
    pub fn products(&self) -> usize {
        match self.pass {
            Pass::First { full: true } => 2,
            _ => 1,
        }
    }

    /// Floats of shared memory that [`super::fragment`] needs.
    pub fn scratch(&self) -> usize {
        self.products.scratch(self.units())
    }
}
