//! V of a tile where a cube covers whole channels: both factors in registers, or L in
//! shared memory.

use cubecl::prelude::*;

use super::config::{Config, LANE, MatrixProducts, TILE_P, TILE_Q};
use super::fragment::multiply;
use super::layout::Layout;
use super::masked::mask_tile;
use super::product::factor_element;
use super::tile::Extent;
use crate::dropout_mask::MaskArgs;

/// The part of R that a lane needs for tiles at `column`: the same for every row.
#[cube]
pub(super) fn right_fragments<T: Float, N: Size>(
    right: &Array<Vector<T, N>>,
    to: &mut Array<f32>,
    column: u32,
    extent: &Extent,
    #[comptime] config: Config,
) {
    #[unroll]
    for group in 0..comptime!(config.rank_groups()) {
        let depth = comptime!(group as u32 * 16) + (UNIT_POS % 4) * 4;
        load_right::<T, N>(
            right,
            to,
            column,
            depth,
            extent,
            comptime!(group * 16),
            config,
        );
    }
}

/// This lane's part of the tile of L·R at `row`, in the order of
/// [`super::tile::fetch_tile`], with R's part from [`right_fragments`]. L is `[p, rank]` and R
/// `[rank, q]`; with `OutIn` they are stored so (B and A), with `InOut` each is
/// the transpose of what is stored (A and B).
#[cube]
fn low_rank_tile<T: Float, NL: Size>(
    left: &Array<Vector<T, NL>>,
    right: &Array<f32>,
    to: &mut Array<f32>,
    row: u32,
    slab: &SharedMemory<Vector<f32, Const<4>>>,
    slab_row: u32,
    extent: &Extent,
    scratch: &mut SharedMemory<f32>,
    #[comptime] config: Config,
) {
    let mut acc = Array::<f32>::new(LANE);
    #[unroll]
    for i in 0..LANE {
        acc[i] = 0.0f32;
    }
    #[unroll(config.products != MatrixProducts::Units)]
    for group in 0..comptime!(config.rank_groups()) {
        let mut l = Array::<f32>::new(8usize);
        let depth = group as u32 * 16 + (UNIT_POS % 4) * 4;
        if comptime!(config.has_slab()) {
            read_slab(slab, &mut l, slab_row, depth, config);
        } else {
            load_left::<T, NL>(left, &mut l, row, depth, extent, config);
        }
        #[unroll]
        for s in 0..2usize {
            let mut a = Array::<f32>::new(4usize);
            a[0] = l[s * 2];
            a[1] = l[4 + s * 2];
            a[2] = l[s * 2 + 1];
            a[3] = l[4 + s * 2 + 1];
            let mut b = Array::<f32>::new(8usize);
            #[unroll]
            for tile in 0..4usize {
                b[tile * 2] = right[group * 16 + s * 8 + tile];
                b[tile * 2 + 1] = right[group * 16 + s * 8 + 4 + tile];
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

/// Brings the cube's rows of L from `first_row` on to shared memory as f32, `[row][rank]`,
/// zeros where there are none; for [`read_slab`] after a `sync_cube`.
#[cube]
pub(super) fn fill_slab<T: Float>(
    left: &Array<T>,
    slab: &mut SharedMemory<Vector<f32, Const<4>>>,
    first_row: u32,
    extent: &Extent,
    #[comptime] config: Config,
) {
    if comptime!(config.has_slab()) {
        let rows = comptime!(config.slab_rows);
        let fours = comptime!(config.rank_groups() as u32 * 4);
        #[unroll(config.products != MatrixProducts::Units)]
        for round in 0..comptime!((rows * config.rank_groups() * 4).div_ceil(config.units())) {
            let at = round as u32 * comptime!(config.units() as u32) + UNIT_POS;
            // Neighbouring units read what lies together.
            let mut row = at / fours;
            let mut four = at % fours;
            if comptime!(!config.rows()) {
                row = at % comptime!(rows as u32);
                four = at / comptime!(rows as u32);
            }
            if row < comptime!(rows as u32) && four < fours {
                let mut values = Vector::<f32, Const<4>>::empty();
                #[unroll]
                for e in 0..4usize {
                    values[e] = factor_element::<T>(
                        left,
                        first_row + row,
                        four * 4 + e as u32,
                        extent.p,
                        comptime!(config.rank as u32),
                        !config.rows(),
                    );
                }
                slab[row as usize * comptime!(config.slab_stride()) + four as usize] = values;
            }
        }
    }
}

/// L at ranks `depth..depth + 4` of this lane's two rows, to `[h][4]`.
#[cube]
fn read_slab(
    slab: &SharedMemory<Vector<f32, Const<4>>>,
    to: &mut Array<f32>,
    slab_row: u32,
    depth: u32,
    #[comptime] config: Config,
) {
    let row = slab_row + ((UNIT_POS % 32) / 4) * 2;
    #[unroll]
    for h in 0..2usize {
        let at = (row as usize + h) * comptime!(config.slab_stride()) + (depth / 4) as usize;
        let values = slab[at];
        #[unroll]
        for e in 0..4usize {
            to[h * 4 + e] = values[e];
        }
    }
}

/// L at rows `row + 2g + h` and ranks `depth..depth + 4`, to `[h][4]`.
#[cube]
fn load_left<T: Float, N: Size>(
    left: &Array<Vector<T, N>>,
    to: &mut Array<f32>,
    row: u32,
    depth: u32,
    extent: &Extent,
    #[comptime] config: Config,
) {
    let rank = comptime!(config.rank as u32);
    let guard = comptime!(config.storage.guard || config.guard_rank());
    let at_row = row + ((UNIT_POS % 32) / 4) * 2;
    if comptime!(config.layout == Layout::OutIn) {
        #[unroll]
        for h in 0..2usize {
            let at = at_row + h as u32;
            let valid = select(at < extent.p && depth < rank, rank - depth, 0u32);
            load_run::<T, N>(
                left,
                to,
                at * rank + depth,
                valid,
                comptime!(h * 4),
                1usize,
                4usize,
                guard,
            );
        }
    } else {
        #[unroll]
        for k in 0..4usize {
            let at = depth + k as u32;
            let valid = select(at < rank && at_row < extent.p, extent.p - at_row, 0u32);
            load_run::<T, N>(
                left,
                to,
                at * extent.p + at_row,
                valid,
                comptime!(k),
                4usize,
                2usize,
                guard,
            );
        }
    }
}

/// R at ranks `depth..depth + 4` and four columns, to `to[start..]` as
/// `[rank][column]`.
#[cube]
fn load_right<T: Float, N: Size>(
    right: &Array<Vector<T, N>>,
    to: &mut Array<f32>,
    column: u32,
    depth: u32,
    extent: &Extent,
    #[comptime] start: usize,
    #[comptime] config: Config,
) {
    let rank = comptime!(config.rank as u32);
    let guard = comptime!(config.storage.guard || config.guard_rank());
    // Column g of product `tile` is element `tile` or 4 + tile of lane g / 2.
    let g = (UNIT_POS % 32) / 4;
    let at_column = column
        + (g / 2) * comptime!(config.storage.lane_columns())
        + (g % 2) * comptime!(config.storage.column_of(4));
    if comptime!(config.layout == Layout::OutIn) {
        #[unroll]
        for k in 0..4usize {
            let at = depth + k as u32;
            let valid = select(
                at < rank && at_column < extent.q,
                extent.q - at_column,
                0u32,
            );
            load_run::<T, N>(
                right,
                to,
                at * extent.q + at_column,
                valid,
                comptime!(start + k * 4),
                1usize,
                4usize,
                guard,
            );
        }
    } else {
        #[unroll]
        for c in 0..4usize {
            let at = at_column + c as u32;
            let valid = select(at < extent.q && depth < rank, rank - depth, 0u32);
            load_run::<T, N>(
                right,
                to,
                at * rank + depth,
                valid,
                comptime!(start + c),
                4usize,
                4usize,
                guard,
            );
        }
    }
}

/// V of this lane's part of a tile: `to` holds W and becomes W·base +
/// s·mask∘(L·R), where `base` is 1/‖W‖ by channel, or 1.
#[cube]
pub(super) fn add_low_rank<T: Float, NL: Size>(
    left: &Array<Vector<T, NL>>,
    right: &Array<f32>,
    base_norm: &Array<f32>,
    to: &mut Array<f32>,
    row: u32,
    column: u32,
    slab: &SharedMemory<Vector<f32, Const<4>>>,
    slab_row: u32,
    extent: &Extent,
    scaling: f32,
    mask: &MaskArgs,
    scratch: &mut SharedMemory<f32>,
    #[comptime] config: Config,
) {
    let mut update = Array::<f32>::new(LANE);
    low_rank_tile::<T, NL>(
        left,
        right,
        &mut update,
        row,
        slab,
        slab_row,
        extent,
        scratch,
        config,
    );
    mask_tile(
        &mut update,
        mask,
        row,
        column,
        extent,
        config.storage,
        config.masked,
    );
    if comptime!(config.normalised_base) {
        let mut norms = Array::<f32>::new(comptime!(config.tile_channels()));
        lane_channels(base_norm, &mut norms, row, column, extent, config);
        #[unroll]
        for i in 0..LANE {
            let norm = norms[comptime!(if config.rows() { i / 8 } else { i % 8 })];
            // A channel of zeros has no direction and stays zero.
            to[i] = select(norm == 0.0f32, 0.0f32, to[i] / norm);
        }
    }
    #[unroll]
    for i in 0..LANE {
        to[i] = fma(update[i], scaling, to[i]);
    }
}

/// The values of a per-channel vector at this lane's channels; 0 outside.
#[cube]
fn lane_channels(
    from: &Array<f32>,
    to: &mut Array<f32>,
    row: u32,
    column: u32,
    extent: &Extent,
    #[comptime] config: Config,
) {
    let lane = UNIT_POS % 32;
    #[unroll]
    for i in 0..comptime!(config.tile_channels()) {
        let mut channel = column
            + (lane % 4) * comptime!(config.storage.lane_columns())
            + comptime!(config.storage.column_of(i));
        let mut channels = extent.q;
        if comptime!(config.rows()) {
            channel = row + (lane / 4) * 2 + i as u32;
            channels = extent.p;
        }
        let mut value = 0.0f32;
        if comptime!(config.storage.guard) {
            if channel < channels {
                value = from[channel as usize];
            }
        } else {
            value = from[channel as usize];
        }
        to[i] = value;
    }
}

/// The row and column of the `index`-th tile of this warp, in a grid of cubes
/// whose x runs along the columns.
#[cube]
pub(super) fn tile_position(index: u32, #[comptime] config: Config) -> (u32, u32) {
    let warp = UNIT_POS / 32;
    let warp_p = warp / comptime!(config.warps[1] as u32);
    let warp_q = warp % comptime!(config.warps[1] as u32);
    let tiles = comptime!(config.tiles as u32);
    let mut tile_p = warp_p;
    let mut tile_q = warp_q;
    if comptime!(config.rows()) {
        tile_q = warp_q * tiles + index;
    } else {
        tile_p = warp_p * tiles + index;
    }
    (
        CUBE_POS_Y * comptime!(config.span_p() as u32) + tile_p * comptime!(TILE_P as u32),
        CUBE_POS_X * comptime!(config.span_q() as u32) + tile_q * comptime!(TILE_Q as u32),
    )
}
/// `count` neighbours from element `at` of `from`, as f32, to `to[start + i *
/// step]`; zeros from the `valid`-th on.
#[cube]
fn load_run<T: Float, N: Size>(
    from: &Array<Vector<T, N>>,
    to: &mut Array<f32>,
    at: u32,
    valid: u32,
    #[comptime] start: usize,
    #[comptime] step: usize,
    #[comptime] count: usize,
    #[comptime] guard: bool,
) {
    let width = N::value();
    let first = at as usize / width;
    #[unroll]
    for v in 0..comptime!(count / width) {
        let mut values = Vector::<T, N>::zeroed();
        if comptime!(guard) {
            if comptime!((v * width) as u32) < valid {
                values = from[first + v];
            }
        } else {
            values = from[first + v];
        }
        #[unroll]
        for e in 0..width {
            to[start + (v * width + e) * step] = f32::cast_from(values[e]);
        }
    }
}
