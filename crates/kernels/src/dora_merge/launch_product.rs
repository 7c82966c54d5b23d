//! Launches of the products of matrices like the weight with the factors.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::config::MatrixProducts;
use super::launch::{CUBES, array, factor_width, vector_width};
use super::operand::Operand;
use super::product_config::{Pass, ProductConfig};
use super::tile::ExtentLaunch;
use super::{Problem, Storage, finish, left_product, right_product};

/// What is multiplied by which factor.
pub(super) struct Product<'a> {
    pub pass: Pass,
    /// A matrix `[p, q]`, stored as `storage`; W is like it.
    pub gradient: &'a Handle,
    pub weight: &'a Handle,
    pub extent: [usize; 2],
    pub storage: Storage,
    /// A `[rank, q or p]`, else B `[q or p, rank]`.
    pub factor: &'a Handle,
    pub ranks_first: bool,
    pub coefficients: &'a Handle,
    /// Which of the coefficients is G's.
    pub first_coefficient: usize,
    /// Into how many sums an element may be split.
    pub most_splits: usize,
}

/// What a product gave.
pub(super) struct Sums {
    pub sums: Handle,
    pub dots: Handle,
    pub splits: usize,
    /// Of `sums` and `dots`.
    pub len: [usize; 2],
}

/// The fewest rows or columns that a cube sums over, and so the most sums.
pub(super) const LEAST_SPAN: usize = 64;
/// Sums of one element that one unit adds.
pub(super) const SPLITS: usize = 16;
/// The same of the factors' own products, which are small.
pub(super) const GRAM_SPLITS: usize = 64;

/// The largest span that makes enough cubes of `others` each, or, for small
/// matrices, not so many sums that adding them takes longer.
fn span(along: usize, others: usize, most: usize, most_splits: usize) -> usize {
    let mut span = most;
    while span > LEAST_SPAN
        && along.div_ceil(span) * others < CUBES
        && along.div_ceil(span) < most_splits
    {
        span /= 2;
    }
    span
}

pub(super) struct Launches<'a, R: Runtime> {
    pub client: &'a ComputeClient<R>,
    pub problem: &'a Problem,
    pub products: MatrixProducts,
}

impl<R: Runtime> Launches<'_, R> {
    fn config(&self, product: &Product<'_>) -> ProductConfig {
        let wanted = self.problem.products;
        ProductConfig {
            products: self.products,
            x: match product.pass {
                Pass::Second { .. } => Operand::computed(wanted),
                _ => Operand::stored(product.storage, wanted),
            },
            factor: Operand::stored(self.problem.factors, wanted),
            pass: product.pass,
            ranks_first: product.ranks_first,
            ranks: 0,
            warps: 4,
            span: LEAST_SPAN,
            run: 4,
            ahead: 2,
            bf16: product.storage == Storage::Bf16,
            guard: false,
        }
    }

    fn tensor_cores(&self) -> bool {
        self.products == MatrixProducts::TensorCores
    }

    fn factor(&self, product: &Product<'_>, n: usize) -> ArrayArg<R> {
        array(product.factor, n * self.problem.rank)
    }

    fn coefficients(&self, product: &Product<'_>) -> ArrayArg<R> {
        let len = match product.pass {
            Pass::Second { .. } => 3 * self.problem.d_out,
            _ => self.problem.d_out,
        };
        array(product.coefficients, len)
    }

    /// X·Rᵀ, `[split][p][rank]`.
    pub fn left<W: Float + CubeElement, A: Float + CubeElement>(
        &self,
        product: &Product<'_>,
    ) -> Sums {
        let ([p, q], rank) = (product.extent, self.problem.rank);
        let mut config = self.config(product);
        let most_ranks = if config.products() == 2 { 32 } else { 64 };
        config.ranks = rank.next_multiple_of(8).min(most_ranks);
        if self.tensor_cores() {
            // Fewer where each takes more registers.
            config.warps = if config.has_dots() { 4 } else { 8 };
            config.run = 16 / product.storage.size();
            config.ahead = 1;
            let rows = config.warps * left_product::ROWS;
            let others = p.div_ceil(rows) * rank.div_ceil(config.ranks);
            let most = if config.ranks > 32 { 256 } else { 512 };
            config.span = span(q, others, most, product.most_splits);
        }
        let rows = config.warps * left_product::ROWS;
        config.guard = !p.is_multiple_of(rows) || !q.is_multiple_of(config.span);
        let splits = q.div_ceil(config.span);
        let count = CubeCount::Static(
            splits as u32,
            p.div_ceil(rows) as u32,
            rank.div_ceil(config.ranks) as u32,
        );
        let sums = self.sums(&config, splits, p);
        // SAFETY: with `guard` every access to the matrices is checked in the
        // kernel, without it the cubes cover the extent exactly; accesses to the
        // rest are checked always.
        #[allow(unsafe_code)]
        unsafe {
            left_product::left_product::launch_unchecked::<W, A, R>(
                self.client,
                count,
                CubeDim::new_1d(config.units() as u32),
                vector_width(self.client, product.storage, config.run, q),
                factor_width(self.client, self.problem, product.ranks_first, q),
                array(product.gradient, p * q),
                array(product.weight, p * q),
                self.factor(product, q),
                self.coefficients(product),
                array(&sums.sums, sums.len[0]),
                array(&sums.dots, sums.len[1]),
                ExtentLaunch::new(p as u32, q as u32),
                rank as u32,
                product.first_coefficient as u32,
                config,
            );
        }
        sums
    }

    /// Lᵀ·X, `[split][rank][q]`.
    pub fn right<W: Float + CubeElement, A: Float + CubeElement>(
        &self,
        product: &Product<'_>,
    ) -> Sums {
        let ([p, q], rank) = (product.extent, self.problem.rank);
        let mut config = self.config(product);
        config.ranks = right_product::RANKS;
        let columns = config.warps * right_product::COLUMNS;
        let chunks = rank.div_ceil(config.ranks);
        if self.tensor_cores() {
            let others = q.div_ceil(columns) * chunks;
            config.span = span(p, others, 256, product.most_splits);
            // As many bytes on their way for either size.
            config.ahead = 8 / product.storage.size();
        }
        config.guard = !p.is_multiple_of(config.span) || !q.is_multiple_of(columns);
        let splits = p.div_ceil(config.span);
        let count = CubeCount::Static(q.div_ceil(columns) as u32, splits as u32, chunks as u32);
        let sums = self.sums(&config, splits, q);
        // SAFETY: as in `left`.
        #[allow(unsafe_code)]
        unsafe {
            right_product::right_product::launch_unchecked::<W, A, R>(
                self.client,
                count,
                CubeDim::new_1d(config.units() as u32),
                vector_width(self.client, product.storage, 4, q),
                factor_width(self.client, self.problem, product.ranks_first, p),
                if q.is_multiple_of(4) { 4 } else { 1 },
                array(product.gradient, p * q),
                array(product.weight, p * q),
                self.factor(product, p),
                self.coefficients(product),
                array(&sums.sums, sums.len[0]),
                array(&sums.dots, sums.len[1]),
                ExtentLaunch::new(p as u32, q as u32),
                rank as u32,
                product.first_coefficient as u32,
                config,
            );
        }
        sums
    }

    /// `[rank, rank]` of its splits.
    pub fn gram(&self, sums: &Sums) -> Handle {
        let len = self.problem.rank * self.problem.rank;
        let total = self.client.empty(len * 4);
        // SAFETY: the kernel checks its position against the total's length, and
        // reads `splits` lists of that length.
        #[allow(unsafe_code)]
        unsafe {
            finish::add_splits::launch_unchecked::<R>(
                self.client,
                CubeCount::Static(len.div_ceil(64) as u32, 1, 1),
                CubeDim::new_1d(64),
                array(&sums.sums, sums.len[0]),
                array(&total, len),
                sums.splits as u32,
            );
        }
        total
    }

    fn sums(&self, config: &ProductConfig, splits: usize, n: usize) -> Sums {
        let sums = config.products() * splits * n * self.problem.rank;
        let dots = if config.has_dots() { splits * n } else { 1 };
        Sums {
            sums: self.client.empty(sums * 4),
            dots: self.client.empty(dots * 4),
            splits,
            len: [sums, dots],
        }
    }
}
