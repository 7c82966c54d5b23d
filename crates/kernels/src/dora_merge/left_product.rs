//! X·Rᵀ: sums along the rows of the weight.

use cubecl::prelude::*;

use super::cube_place::{cube_x, cube_y};
use super::fragment::{multiply, pace};
use super::product::{Four, factor_block, load, unpack};
use super::product_config::ProductConfig;
use super::tile::Extent;

/// Rows of a warp.
pub(super) const ROWS: usize = 16;

impl ProductConfig {
    /// Columns that a warp takes at a time, in 16 rows: 128 bytes of each, as
    /// memory wants it. Lane `4g + t` has two runs in each of rows g and g + 8,
    /// from column `run·t` on of either half.
    pub(super) fn left_columns(&self) -> usize {
        2 * 4 * self.run
    }

    /// Where lane 0's `four`-th four of a row begins.
    fn left_column(&self, four: usize) -> usize {
        let (half, within) = (four / (self.run / 4), four % (self.run / 4));
        half * 4 * self.run + within * 4
    }

    /// Fours between the slab's rows, which are ranks: so that what the lanes
    /// read together lies in other banks.
    fn left_stride(&self) -> usize {
        self.span / 4 + if self.run == 4 { 4 } else { 1 }
    }

    pub(super) fn left_slab(&self) -> usize {
        self.ranks * self.left_stride()
    }
}

/// For each cube's columns, the products `[split][row][rank]` of what `pass`
/// says with R `[rank, q]`: of G, and after all of those of W. And
/// `dots[split][row]`. Coefficients are by column.
#[cube(launch_unchecked)]
pub(super) fn left_product<W: Float, A: Float, NW: Size, NF: Size>(
    gradient: &Array<Vector<W, NW>>,
    weight: &Array<Vector<W, NW>>,
    factor: &Array<Vector<A, NF>>,
    coefficients: &Array<f32>,
    sums: &mut Array<f32>,
    dots: &mut Array<f32>,
    extent: Extent,
    rank: u32,
    first_coefficient: u32,
    #[comptime] config: ProductConfig,
) {
    let fours = comptime!(config.span / 4);
    let mut scratch = SharedMemory::<f32>::new(comptime!(config.scratch()));
    let mut slab = SharedMemory::<Four>::new(comptime!(config.left_slab()));
    let mut scales = SharedMemory::<Four>::new(comptime!(if config.has_coefficients() {
        2 * fours
    } else {
        1
    }));
    let mut lane_dots = SharedMemory::<f32>::new(comptime!(if config.has_dots() {
        config.units() * 2
    } else {
        1
    }));
    let lane = UNIT_POS % 32;
    let split = cube_x(config.backwards());
    let band = cube_y(config.backwards());
    let warp = UNIT_POS / 32;
    let g = lane / 4;
    let t = lane % 4;
    let first_column = split * comptime!(config.span as u32);
    let first_rank = CUBE_POS_Z * comptime!(config.ranks as u32);
    let row = (band * comptime!(config.warps as u32) + warp) * comptime!(ROWS as u32);

    let width = NW::value();
    let slots = comptime!(4 * config.run / width);
    let ahead = comptime!(config.ahead);
    let mut raw_g = Array::<Vector<W, NW>>::new(comptime!(ahead * slots));
    let mut raw_w = Array::<Vector<W, NW>>::new(comptime!(ahead * slots));
    #[unroll]
    for slot in 0..ahead {
        let column = first_column + comptime!((slot * config.left_columns()) as u32);
        let start = comptime!(slot * slots);
        fetch::<W, NW>(gradient, &mut raw_g, row, column, &extent, start, config);
        if comptime!(config.reads_weight()) {
            fetch::<W, NW>(weight, &mut raw_w, row, column, &extent, start, config);
        }
    }
    fill_slab::<A, NF>(
        factor,
        &mut slab,
        first_column,
        first_rank,
        &extent,
        rank,
        config,
    );
    if comptime!(config.has_coefficients()) {
        let mut at = UNIT_POS as usize;
        while at < fours {
            let column = first_column + at as u32 * 4;
            let mut of_g = Four::new(0.0f32);
            let mut of_w = Four::new(0.0f32);
            #[unroll]
            for e in 0..4usize {
                let channel = column + e as u32;
                if channel < extent.q {
                    let from = (first_coefficient + channel) as usize;
                    of_g[e] = coefficients[from];
                    if comptime!(config.reads_weight()) {
                        of_w[e] = coefficients[from + extent.q as usize];
                    }
                }
            }
            scales[at] = of_g;
            scales[fours + at] = of_w;
            at += comptime!(config.units());
        }
    }
    sync_cube();

    let tiles = comptime!(config.ranks / 8);
    let mut of_g = Array::<f32>::new(comptime!(tiles * 4));
    let mut of_w = Array::<f32>::new(comptime!(tiles * 4));
    #[unroll]
    for i in 0..comptime!(tiles * 4) {
        of_g[i] = 0.0f32;
        of_w[i] = 0.0f32;
    }
    let mut dot = Array::<f32>::new(2usize);
    dot[0] = 0.0f32;
    dot[1] = 0.0f32;
    let groups = comptime!(config.span / config.left_columns());
    for round in 0..comptime!(groups / ahead) {
        #[unroll]
        for slot in 0..ahead {
            let group = round * ahead + slot;
            let start = comptime!(slot * slots);
            #[unroll]
            for four in 0..comptime!(config.run / 2) {
                let at = group * comptime!(config.run * 2)
                    + t as usize * comptime!(config.run / 4)
                    + comptime!(config.left_column(four) / 4);
                let mut x = Array::<f32>::new(8usize);
                let mut w = Array::<f32>::new(8usize);
                unpack_four::<W, NW>(&raw_g, &mut x, start, four, config);
                if comptime!(config.reads_weight()) {
                    unpack_four::<W, NW>(&raw_w, &mut w, start, four, config);
                }
                if comptime!(config.has_dots()) {
                    #[unroll]
                    for i in 0..8usize {
                        dot[i / 4] = fma(x[i], w[i], dot[i / 4]);
                    }
                }
                if comptime!(config.has_coefficients()) {
                    let scale_g = scales[at];
                    let scale_w = scales[fours + at];
                    #[unroll]
                    for i in 0..8usize {
                        x[i] *= scale_g[i % 4];
                        if comptime!(config.reads_weight()) {
                            x[i] = fma(-scale_w[i % 4], w[i], x[i]);
                        }
                    }
                }
                let mut r = Array::<Four>::new(tiles);
                #[unroll]
                for tile in 0..tiles {
                    let own = comptime!(tile * 8) + g as usize;
                    r[tile] = slab[own * comptime!(config.left_stride()) + at];
                }
                #[unroll]
                for half in 0..2usize {
                    let mut b = Array::<f32>::new(comptime!(tiles * 2));
                    #[unroll]
                    for tile in 0..tiles {
                        let own = r[tile];
                        b[tile * 2] = own[half * 2];
                        b[tile * 2 + 1] = own[half * 2 + 1];
                    }
                    let step = comptime!(half * 2);
                    step_product(&x, &b, &mut of_g, &mut scratch, step, tiles, config);
                    if comptime!(config.products() == 2) {
                        step_product(&w, &b, &mut of_w, &mut scratch, step, tiles, config);
                    }
                }
                // So that the compiler keeps the fours apart, or it runs out of registers.
                pace(config.products);
            }
            // As soon as the last of it is free.
            let next = group + ahead;
            if next < groups {
                let column = first_column + next as u32 * comptime!(config.left_columns() as u32);
                fetch::<W, NW>(gradient, &mut raw_g, row, column, &extent, start, config);
                if comptime!(config.reads_weight()) {
                    fetch::<W, NW>(weight, &mut raw_w, row, column, &extent, start, config);
                }
            }
        }
    }
    let own = split * extent.p * rank;
    let all = CUBE_COUNT_X * extent.p * rank;
    store(&of_g, sums, own, row, first_rank, &extent, rank, config);
    if comptime!(config.products() == 2) {
        store(
            &of_w,
            sums,
            all + own,
            row,
            first_rank,
            &extent,
            rank,
            config,
        );
    }
    if comptime!(config.has_dots()) {
        #[unroll]
        for h in 0..2usize {
            lane_dots[((warp * 16 + g + h as u32 * 8) * 4 + t) as usize] = dot[h];
        }
        sync_cube();
        let at_row = band * comptime!((config.warps * ROWS) as u32) + UNIT_POS;
        if UNIT_POS < comptime!((config.warps * ROWS) as u32)
            && at_row < extent.p
            && CUBE_POS_Z == 0
        {
            let from = UNIT_POS as usize * 4;
            let mut sum = lane_dots[from];
            #[unroll]
            for i in 1..4usize {
                sum += lane_dots[from + i];
            }
            dots[(split * extent.p + at_row) as usize] = sum;
        }
    }
}

/// The `four`-th four of a lane in each of its two rows, as f32.
#[cube]
fn unpack_four<W: Float, NW: Size>(
    from: &Array<Vector<W, NW>>,
    to: &mut Array<f32>,
    #[comptime] start: usize,
    #[comptime] four: usize,
    #[comptime] config: ProductConfig,
) {
    let width = NW::value();
    let count = comptime!(width.min(4));
    #[unroll]
    for i in 0..comptime!(8 / count) {
        let at = comptime!(i * count / 4 * 2 * config.run + four * 4 + i * count % 4);
        unpack::<W, NW>(
            from[comptime!(start + at / width)],
            to,
            comptime!(at % width),
            comptime!(i * count),
            count,
            config.bf16,
        );
    }
}

/// One step of 8 columns: this lane's are `first` and the next.
#[cube]
fn step_product(
    x: &Array<f32>,
    b: &Array<f32>,
    acc: &mut Array<f32>,
    scratch: &mut SharedMemory<f32>,
    #[comptime] first: usize,
    #[comptime] tiles: usize,
    #[comptime] config: ProductConfig,
) {
    let mut a = Array::<f32>::new(4usize);
    a[0] = x[first];
    a[1] = x[4 + first];
    a[2] = x[first + 1];
    a[3] = x[4 + first + 1];
    let operands = comptime!((config.x, config.factor));
    let products = comptime!(config.products);
    multiply(&a, b, acc, scratch, 0usize, tiles, operands, products);
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
    let left = column + (lane % 4) * comptime!(config.run as u32);
    #[unroll]
    for h in 0..2usize {
        let at_row = row + lane / 4 + h as u32 * 8;
        #[unroll]
        for v in 0..comptime!(2 * config.run / width) {
            // The second half of the line after the first.
            let at = left
                + comptime!(
                    (v * width / config.run * 4 * config.run + v * width % config.run) as u32
                );
            let slot = comptime!(start + h * (2 * config.run / width) + v);
            to[slot] = load::<W, NW>(from, at_row, at, extent, config.guard);
        }
    }
}

/// R of the cube's ranks and columns to shared memory, zeros where there is none.
#[cube]
fn fill_slab<A: Float, NF: Size>(
    factor: &Array<Vector<A, NF>>,
    slab: &mut SharedMemory<Four>,
    first_column: u32,
    first_rank: u32,
    extent: &Extent,
    rank: u32,
    #[comptime] config: ProductConfig,
) {
    let fours = comptime!(config.span / 4);
    let groups = comptime!(config.ranks / 4);
    let mut at = UNIT_POS as usize;
    while at < comptime!(groups * fours) {
        // Neighbouring units read what lies together.
        let mut group = at / fours;
        let mut four = at % fours;
        if comptime!(!config.ranks_first) {
            group = at % groups;
            four = at / groups;
        }
        let k = first_rank + group as u32 * 4;
        let column = first_column + four as u32 * 4;
        let mut block = Array::<f32>::new(16usize);
        factor_block::<A, NF>(
            factor,
            &mut block,
            column,
            k,
            extent.q,
            rank,
            config.ranks_first,
        );
        #[unroll]
        for line in 0..4usize {
            let mut values = Four::empty();
            #[unroll]
            for e in 0..4usize {
                values[e] = block[line * 4 + e];
            }
            slab[(group * 4 + line) * comptime!(config.left_stride()) + four] = values;
        }
        at += comptime!(config.units());
    }
}

#[cube]
fn store(
    acc: &Array<f32>,
    sums: &mut Array<f32>,
    first: u32,
    row: u32,
    first_rank: u32,
    extent: &Extent,
    rank: u32,
    #[comptime] config: ProductConfig,
) {
    let lane = UNIT_POS % 32;
    #[unroll]
    for tile in 0..comptime!(config.ranks / 8) {
        #[unroll]
        for e in 0..4usize {
            let at_row = row + lane / 4 + comptime!(e as u32 / 2 * 8);
            let k =
                first_rank + comptime!(tile as u32 * 8) + (lane % 4) * 2 + comptime!(e as u32 % 2);
            if at_row < extent.p && k < rank {
                let at = first + at_row * rank + k;
                sums[at as usize] = acc[tile * 4 + e];
            }
        }
    }
}
