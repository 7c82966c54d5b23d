//! The factors in shared memory, in the order of the matrix instruction, and their
//! product.

use cubecl::prelude::*;

use super::fragment::multiply;
use super::product::{Four, factor_block};
use super::sweep_config::SweepConfig;
use super::tile::Extent;

/// L·R for this lane's part of the tile at (`row`, `column`) of the cube.
#[cube]
pub(super) fn low_rank(
    left_slab: &SharedMemory<Four>,
    right_slab: &SharedMemory<Four>,
    to: &mut Array<f32>,
    row: u32,
    column: u32,
    scratch: &mut SharedMemory<f32>,
    #[comptime] config: SweepConfig,
) {
    let lane = UNIT_POS % 32;
    let g = lane / 4;
    let t = lane % 4;
    // Column g of product `tile` is element `tile` or 4 + `tile` of lane g / 2.
    let own_column = column
        + (g / 2) * comptime!(config.storage.lane_columns())
        + (g % 2) * comptime!(config.storage.column_of(4));
    let own_pair = row / 2 + g;
    let mut acc = Array::<f32>::new(16usize);
    #[unroll]
    for i in 0..16usize {
        acc[i] = 0.0f32;
    }
    #[unroll(config.tensor_cores())]
    for group in 0..comptime!(config.groups()) {
        #[unroll]
        for s in 0..2usize {
            // Lane t has ranks 4t to 4t + 3 of 16.
            let ranks = group as u32 * 8 + t * 2 + s as u32;
            let own_left = own_pair * comptime!(config.left_stride() as u32) + ranks;
            let l = left_slab[own_left as usize];
            let mut a = Array::<f32>::new(4usize);
            let mut b = Array::<f32>::new(8usize);
            let own_right = right_position(ranks, own_column / 2, config);
            #[unroll]
            for i in 0..4usize {
                a[i] = l[i];
            }
            #[unroll]
            for half in 0..2usize {
                let r = right_slab[own_right + half];
                #[unroll]
                for i in 0..4usize {
                    b[half * 4 + i] = r[i];
                }
            }
            let operands = comptime!((config.factors, config.factors));
            let products = comptime!(config.products);
            multiply(
                &a, &b, &mut acc, scratch, 0usize, 4usize, operands, products,
            );
        }
    }
    // Product `tile`, row half h and column half e: element 4e + tile.
    #[unroll]
    for h in 0..2usize {
        #[unroll]
        for x in 0..8usize {
            to[h * 8 + x] = acc[(x % 4) * 4 + h * 2 + x / 4];
        }
    }
}

/// Where R's pair of ranks lies at a pair of columns.
#[cube]
fn right_position(ranks: u32, columns: u32, #[comptime] config: SweepConfig) -> usize {
    let mut gap = columns / 8;
    if comptime!(config.storage.one_run) {
        gap = ranks / 4 % 2;
    }
    (ranks * comptime!(config.right_stride() as u32) + columns + gap) as usize
}

/// L of the cube's rows in twos of rows by twos of ranks, zeros where there is
/// none.
#[cube]
pub(super) fn fill_left<A: Float, NL: Size>(
    left: &Array<Vector<A, NL>>,
    slab: &mut SharedMemory<Four>,
    first_row: u32,
    extent: &Extent,
    rank: u32,
    #[comptime] config: SweepConfig,
) {
    let groups = comptime!(config.groups() * 4);
    let fours = comptime!(config.rows / 4);
    let mut at = UNIT_POS as usize;
    while at < comptime!(groups * fours) {
        // Neighbouring units read what lies together.
        let mut four = at % fours;
        let mut group = at / fours;
        if comptime!(config.along) {
            four = at / groups;
            group = at % groups;
        }
        let row = first_row + four as u32 * 4;
        let k = group as u32 * 4;
        let mut block = Array::<f32>::new(16usize);
        factor_block::<A, NL>(left, &mut block, row, k, extent.p, rank, !config.along);
        #[unroll]
        for i in 0..4usize {
            let pair = comptime!(i / 2);
            let ranks = comptime!(i % 2);
            let mut values = Four::empty();
            #[unroll]
            for e in 0..4usize {
                values[e] = block[comptime!((ranks * 2 + e / 2) * 4 + pair * 2 + e % 2)];
            }
            let to = (four * 2 + pair) * comptime!(config.left_stride()) + group * 2 + ranks;
            slab[to] = values;
        }
        at += comptime!(config.units());
    }
}

/// R of the cube's columns in twos of columns by twos of ranks, zeros where
/// there is none.
#[cube]
pub(super) fn fill_right<A: Float, NR: Size>(
    right: &Array<Vector<A, NR>>,
    slab: &mut SharedMemory<Four>,
    first_column: u32,
    extent: &Extent,
    rank: u32,
    #[comptime] config: SweepConfig,
) {
    let groups = comptime!(config.groups() * 4);
    let fours = comptime!(config.columns / 4);
    let mut at = UNIT_POS as usize;
    while at < comptime!(groups * fours) {
        let mut group = at % groups;
        let mut four = at / groups;
        if comptime!(config.along) {
            group = at / fours;
            four = at % fours;
        }
        let column = first_column + four as u32 * 4;
        let k = group as u32 * 4;
        let mut block = Array::<f32>::new(16usize);
        factor_block::<A, NR>(right, &mut block, column, k, extent.q, rank, config.along);
        #[unroll]
        for i in 0..4usize {
            let pair = comptime!(i / 2);
            let ranks = comptime!(i % 2);
            let mut values = Four::empty();
            #[unroll]
            for e in 0..4usize {
                values[e] = block[comptime!((ranks * 2 + e % 2) * 4 + pair * 2 + e / 2)];
            }
            let to = right_position(
                group as u32 * 2 + comptime!(ranks as u32),
                four as u32 * 2 + comptime!(pair as u32),
                config,
            );
            slab[to] = values;
        }
        at += comptime!(config.units());
    }
}
