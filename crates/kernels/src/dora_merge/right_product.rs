//! Lᵀ·X: sums along the columns of the weight.

use cubecl::prelude::*;

use super::cube_place::{cube_x, cube_y};
use super::fragment::{multiply, pace};
use super::product::{Four, factor_block, load, unpack_all};
use super::product_config::ProductConfig;
use super::tile::Extent;

/// Columns of a warp.
pub(super) const COLUMNS: usize = 32;
/// Ranks of a cube.
pub(super) const RANKS: usize = 32;
/// Rows that a warp takes at a time: lane `4g + t` has four columns from `4g` on
/// in rows t and t + 4.
pub(super) const STEP: usize = 8;
/// Fours between two rows of the slab, each of which holds rows t and t + 4 of
/// eight: so that what the lanes read together lies in other banks.
const STRIDE: usize = RANKS / 2 + 2;

impl ProductConfig {
    pub(super) fn right_slab(&self) -> usize {
        self.span / 2 * STRIDE
    }
}

/// For each cube's rows, the products `[split][rank][column]` of L `[p, rank]`
/// with what `pass` says: with G, and after all of those with W. And
/// `dots[split][column]`. Coefficients are by row.
#[cube(launch_unchecked)]
pub(super) fn right_product<W: Float, A: Float, NW: Size, NF: Size, NS: Size>(
    gradient: &Array<Vector<W, NW>>,
    weight: &Array<Vector<W, NW>>,
    factor: &Array<Vector<A, NF>>,
    coefficients: &Array<f32>,
    sums: &mut Array<Vector<f32, NS>>,
    dots: &mut Array<f32>,
    extent: Extent,
    rank: u32,
    first_coefficient: u32,
    #[comptime] config: ProductConfig,
) {
    let span = comptime!(config.span);
    let mut scratch = SharedMemory::<f32>::new(comptime!(config.scratch()));
    let mut slab = SharedMemory::<Four>::new(comptime!(config.right_slab()));
    let mut scales = SharedMemory::<f32>::new(comptime!(if config.has_coefficients() {
        2 * span
    } else {
        1
    }));
    let mut lane_dots = SharedMemory::<f32>::new(comptime!(if config.has_dots() {
        config.units() * 4
    } else {
        1
    }));
    let lane = UNIT_POS % 32;
    let band = cube_x(config.backwards());
    let split = cube_y(config.backwards());
    let warp = UNIT_POS / 32;
    let g = lane / 4;
    let t = lane % 4;
    let cube_column = band * comptime!((config.warps * COLUMNS) as u32);
    let column = cube_column + warp * comptime!(COLUMNS as u32);
    let first_row = split * comptime!(span as u32);
    let first_rank = CUBE_POS_Z * comptime!(RANKS as u32);

    let width = NW::value();
    let slots = comptime!(8 / width);
    let ahead = comptime!(config.ahead);
    let mut raw_g = Array::<Vector<W, NW>>::new(comptime!(ahead * slots));
    let mut raw_w = Array::<Vector<W, NW>>::new(comptime!(ahead * slots));
    #[unroll]
    for slot in 0..ahead {
        let row = first_row + comptime!((slot * STEP) as u32);
        let start = comptime!(slot * slots);
        fetch::<W, NW>(gradient, &mut raw_g, row, column, &extent, start, config);
        if comptime!(config.reads_weight()) {
            fetch::<W, NW>(weight, &mut raw_w, row, column, &extent, start, config);
        }
    }
    fill_slab::<A, NF>(
        factor, &mut slab, first_row, first_rank, &extent, rank, config,
    );
    if comptime!(config.has_coefficients()) {
        let mut at = UNIT_POS as usize;
        while at < span {
            let row = first_row + at as u32;
            let mut of_g = 0.0f32;
            let mut of_w = 0.0f32;
            if row < extent.p {
                let from = (first_coefficient + row) as usize;
                of_g = coefficients[from];
                if comptime!(config.reads_weight()) {
                    of_w = coefficients[from + extent.p as usize];
                }
            }
            scales[at] = of_g;
            scales[span + at] = of_w;
            at += comptime!(config.units());
        }
    }
    sync_cube();

    let mut of_g = Array::<f32>::new(RANKS);
    let mut of_w = Array::<f32>::new(RANKS);
    #[unroll]
    for i in 0..RANKS {
        of_g[i] = 0.0f32;
        of_w[i] = 0.0f32;
    }
    let mut dot = Array::<f32>::new(4usize);
    #[unroll]
    for i in 0..4usize {
        dot[i] = 0.0f32;
    }
    let steps = comptime!(span / STEP);
    for round in 0..comptime!(steps / ahead) {
        #[unroll]
        for slot in 0..ahead {
            let step = round * ahead + slot;
            let start = comptime!(slot * slots);
            let mut x = Array::<f32>::new(8usize);
            let mut w = Array::<f32>::new(8usize);
            unpack_all::<W, NW>(&raw_g, &mut x, start, slots, config.bf16);
            if comptime!(config.reads_weight()) {
                unpack_all::<W, NW>(&raw_w, &mut w, start, slots, config.bf16);
            }
            if comptime!(config.has_dots()) {
                #[unroll]
                for i in 0..8usize {
                    dot[i % 4] = fma(x[i], w[i], dot[i % 4]);
                }
            }
            if comptime!(config.has_coefficients()) {
                #[unroll]
                for h in 0..2usize {
                    let at = step * STEP + t as usize + h * 4;
                    let scale_g = scales[at];
                    let scale_w = scales[span + at];
                    #[unroll]
                    for e in 0..4usize {
                        x[h * 4 + e] *= scale_g;
                        if comptime!(config.reads_weight()) {
                            x[h * 4 + e] = fma(-scale_w, w[h * 4 + e], x[h * 4 + e]);
                        }
                    }
                }
            }
            let own = (step * 4 + t as usize) * STRIDE + g as usize;
            #[unroll]
            for m in 0..2usize {
                let l = slab[own + comptime!(m * 8)];
                let mut a = Array::<f32>::new(4usize);
                #[unroll]
                for i in 0..4usize {
                    a[i] = l[i];
                }
                let first = comptime!(m * 16);
                step_product(&a, &x, &mut of_g, &mut scratch, first, config);
                if comptime!(config.products() == 2) {
                    step_product(&a, &w, &mut of_w, &mut scratch, first, config);
                }
                // So that the compiler keeps the steps apart, or it runs out of registers.
                pace(config.products);
            }
            // As soon as the last of it is free.
            let next = step + ahead;
            if next < steps {
                let row = first_row + next as u32 * comptime!(STEP as u32);
                fetch::<W, NW>(gradient, &mut raw_g, row, column, &extent, start, config);
                if comptime!(config.reads_weight()) {
                    fetch::<W, NW>(weight, &mut raw_w, row, column, &extent, start, config);
                }
            }
        }
    }
    let own = split * rank * extent.q;
    let all = CUBE_COUNT_Y * rank * extent.q;
    store::<NS>(&of_g, sums, own, column, first_rank, &extent, rank);
    if comptime!(config.products() == 2) {
        store::<NS>(&of_w, sums, all + own, column, first_rank, &extent, rank);
    }
    if comptime!(config.has_dots()) {
        #[unroll]
        for e in 0..4usize {
            let own = warp * comptime!(COLUMNS as u32) + g * 4 + e as u32;
            lane_dots[(own * 4 + t) as usize] = dot[e];
        }
        sync_cube();
        let at_column = cube_column + UNIT_POS;
        if at_column < extent.q && CUBE_POS_Z == 0 {
            let from = UNIT_POS as usize * 4;
            let mut sum = lane_dots[from];
            #[unroll]
            for i in 1..4usize {
                sum += lane_dots[from + i];
            }
            dots[(split * extent.q + at_column) as usize] = sum;
        }
    }
}

/// One step of 8 rows for 16 ranks.
#[cube]
fn step_product(
    a: &Array<f32>,
    x: &Array<f32>,
    acc: &mut Array<f32>,
    scratch: &mut SharedMemory<f32>,
    #[comptime] first: usize,
    #[comptime] config: ProductConfig,
) {
    let mut b = Array::<f32>::new(8usize);
    #[unroll]
    for tile in 0..4usize {
        b[tile * 2] = x[tile];
        b[tile * 2 + 1] = x[4 + tile];
    }
    let operands = comptime!((config.factor, config.x));
    let products = comptime!(config.products);
    multiply(a, &b, acc, scratch, first, 4usize, operands, products);
}

#[cube]
fn fetch<W: Float, NW: Size>(
    from: &Array<Vector<W, NW>>,
    to: &mut Array<Vector<W, NW>>,
    row: u32,
    column: u32,
    extent: &Extent,
    #[comptime] start: usize,
    #[comptime] config: ProductConfig,
) {
    let lane = UNIT_POS % 32;
    let width = NW::value();
    let left = column + (lane / 4) * 4;
    #[unroll]
    for h in 0..2usize {
        let at_row = row + lane % 4 + h as u32 * 4;
        #[unroll]
        for v in 0..comptime!(4 / width) {
            let at = left + comptime!((v * width) as u32);
            let slot = comptime!(start + h * (4 / width) + v);
            to[slot] = load::<W, NW>(from, at_row, at, extent, config.guard);
        }
    }
}

/// L of the cube's rows and ranks to shared memory, zeros where there is none.
#[cube]
fn fill_slab<A: Float, NF: Size>(
    factor: &Array<Vector<A, NF>>,
    slab: &mut SharedMemory<Four>,
    first_row: u32,
    first_rank: u32,
    extent: &Extent,
    rank: u32,
    #[comptime] config: ProductConfig,
) {
    let groups = comptime!(RANKS / 4);
    let eights = comptime!(config.span / STEP);
    let mut at = UNIT_POS as usize;
    while at < comptime!(groups * eights) {
        // Neighbouring units read what lies together.
        let mut eight = at / groups;
        let mut group = at % groups;
        if comptime!(config.ranks_first) {
            eight = at % eights;
            group = at / eights;
        }
        let row = first_row + eight as u32 * comptime!(STEP as u32);
        let k = first_rank + group as u32 * 4;
        let mut upper = Array::<f32>::new(16usize);
        let mut lower = Array::<f32>::new(16usize);
        factor_block::<A, NF>(
            factor,
            &mut upper,
            row,
            k,
            extent.p,
            rank,
            config.ranks_first,
        );
        let next = row + 4;
        factor_block::<A, NF>(
            factor,
            &mut lower,
            next,
            k,
            extent.p,
            rank,
            config.ranks_first,
        );
        #[unroll]
        for i in 0..8usize {
            let t = comptime!(i / 2);
            let m = comptime!(i % 2);
            let mut values = Four::empty();
            #[unroll]
            for e in 0..2usize {
                values[e] = upper[comptime!((m * 2 + e) * 4 + t)];
                values[e + 2] = lower[comptime!((m * 2 + e) * 4 + t)];
            }
            slab[(eight * 4 + t) * STRIDE + m * 8 + group] = values;
        }
        at += comptime!(config.units());
    }
}

/// Rank 4g + 2m + h and column 8t + 4e + tile are element `[m][tile][h][e]`.
#[cube]
fn store<NS: Size>(
    acc: &Array<f32>,
    sums: &mut Array<Vector<f32, NS>>,
    first: u32,
    column: u32,
    first_rank: u32,
    extent: &Extent,
    rank: u32,
) {
    let lane = UNIT_POS % 32;
    let width = NS::value();
    #[unroll]
    for i in 0..8usize {
        let m = comptime!(i / 4);
        let h = comptime!(i / 2 % 2);
        let e = comptime!(i % 2);
        let k = first_rank + (lane / 4) * 4 + comptime!((m * 2 + h) as u32);
        let left = column + (lane % 4) * 8 + comptime!(e as u32 * 4);
        #[unroll]
        for v in 0..comptime!(4 / width) {
            let at_column = left + comptime!((v * width) as u32);
            let mut values = Vector::<f32, NS>::empty();
            #[unroll]
            for x in 0..width {
                values[x] = acc[comptime!(m * 16 + (v * width + x) * 4 + h * 2 + e)];
            }
            if k < rank && at_column < extent.q {
                let at = first + k * extent.q + at_column;
                sums[at as usize / width] = values;
            }
        }
    }
}
