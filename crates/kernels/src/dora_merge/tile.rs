//! Tiles of the weight and of V.

use cubecl::prelude::*;

use super::config::{Config, LANE, MatrixProducts, TILE_P, TILE_Q};
use super::fragment::multiply;
use super::layout::Layout;

/// The two sizes of the weight, `[p, q]`.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Extent {
    pub p: u32,
    pub q: u32,
}

/// `count` neighbours from element `at` of `from`, as f32, to `to[start + i *
/// step]`; zeros from the `valid`-th on.
#[cube]
pub(super) fn load_run<T: Float, N: Size>(
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

/// This lane's part of the tile at (`row`, `column`) of a matrix like the weight.
#[cube]
pub(super) fn load_tile<T: Float, N: Size>(
    from: &Array<Vector<T, N>>,
    to: &mut Array<f32>,
    row: u32,
    column: u32,
    extent: &Extent,
    #[comptime] guard: bool,
) {
    let lane = UNIT_POS % 32;
    let left = column + (lane % 4) * 8;
    #[unroll]
    for h in 0..2usize {
        let at_row = row + (lane / 4) * 2 + h as u32;
        let mut valid = 8u32;
        if comptime!(guard) {
            valid = select(at_row < extent.p && left < extent.q, extent.q - left, 0u32);
        }
        load_run::<T, N>(
            from,
            to,
            at_row * extent.q + left,
            valid,
            comptime!(h * 8),
            1usize,
            8usize,
            guard,
        );
    }
}

/// The counterpart of [`load_tile`]; elements outside are left alone.
#[cube]
pub(super) fn store_tile<T: Float, N: Size>(
    to: &mut Array<Vector<T, N>>,
    from: &Array<f32>,
    row: u32,
    column: u32,
    extent: &Extent,
    #[comptime] start: usize,
    #[comptime] guard: bool,
) {
    let lane = UNIT_POS % 32;
    let left = column + (lane % 4) * 8;
    let width = N::value();
    #[unroll]
    for h in 0..2usize {
        let at_row = row + (lane / 4) * 2 + h as u32;
        let first = (at_row * extent.q + left) as usize / width;
        #[unroll]
        for v in 0..comptime!(8 / width) {
            let mut values = Vector::<T, N>::empty();
            #[unroll]
            for e in 0..width {
                values[e] = T::cast_from(from[start + h * 8 + v * width + e]);
            }
            if comptime!(guard) {
                if at_row < extent.p && left + comptime!((v * width) as u32) < extent.q {
                    to[first + v] = values;
                }
            } else {
                to[first + v] = values;
            }
        }
    }
}

/// This lane's part of the tile of L·R at (`row`, `column`), in the order of
/// [`load_tile`]. L is `[p, rank]` and R `[rank, q]`; with `OutIn` they are
/// stored so (B and A), with `InOut` each is the transpose of what is stored (A
/// and B).
#[cube]
pub(super) fn low_rank_tile<T: Float, NL: Size, NR: Size>(
    left: &Array<Vector<T, NL>>,
    right: &Array<Vector<T, NR>>,
    to: &mut Array<f32>,
    row: u32,
    column: u32,
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
    for group in 0..comptime!(config.rank_groups() as u32) {
        let mut l = Array::<f32>::new(8usize);
        let mut r = Array::<f32>::new(16usize);
        let depth = group * 16 + (UNIT_POS % 4) * 4;
        load_left::<T, NL>(left, &mut l, row, depth, extent, config);
        load_right::<T, NR>(right, &mut r, column, depth, extent, config);
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
                b[tile * 2] = r[s * 8 + tile];
                b[tile * 2 + 1] = r[s * 8 + 4 + tile];
            }
            multiply(&a, &b, &mut acc, scratch, 0usize, 4usize, config);
        }
    }
    // Product `tile`, row half h and column half e: column 4e + tile.
    #[unroll]
    for h in 0..2usize {
        #[unroll]
        for x in 0..8usize {
            to[h * 8 + x] = acc[(x % 4) * 4 + h * 2 + x / 4];
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
    let guard = comptime!(config.guard || config.guard_rank());
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

/// R at ranks `depth..depth + 4` and columns `column + 4g..` of four, to
/// `[rank][column]`.
#[cube]
fn load_right<T: Float, N: Size>(
    right: &Array<Vector<T, N>>,
    to: &mut Array<f32>,
    column: u32,
    depth: u32,
    extent: &Extent,
    #[comptime] config: Config,
) {
    let rank = comptime!(config.rank as u32);
    let guard = comptime!(config.guard || config.guard_rank());
    let at_column = column + ((UNIT_POS % 32) / 4) * 4;
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
                comptime!(k * 4),
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
                comptime!(c),
                4usize,
                4usize,
                guard,
            );
        }
    }
}

/// V of this lane's part of a tile: `to` holds W and becomes W·base + s·L·R,
/// where `base` is 1/‖W‖ by channel, or 1.
#[cube]
pub(super) fn add_low_rank<T: Float, NL: Size, NR: Size>(
    left: &Array<Vector<T, NL>>,
    right: &Array<Vector<T, NR>>,
    base_norm: &Array<f32>,
    to: &mut Array<f32>,
    row: u32,
    column: u32,
    extent: &Extent,
    scaling: f32,
    scratch: &mut SharedMemory<f32>,
    #[comptime] config: Config,
) {
    let mut update = Array::<f32>::new(LANE);
    low_rank_tile::<T, NL, NR>(
        left,
        right,
        &mut update,
        row,
        column,
        extent,
        scratch,
        config,
    );
    if comptime!(config.normalised_base) {
        let mut norms = Array::<f32>::new(comptime!(config.lane_channels()));
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
pub(super) fn lane_channels(
    from: &Array<f32>,
    to: &mut Array<f32>,
    row: u32,
    column: u32,
    extent: &Extent,
    #[comptime] config: Config,
) {
    let lane = UNIT_POS % 32;
    #[unroll]
    for i in 0..comptime!(config.lane_channels()) {
        let mut channel = column + (lane % 4) * 8 + i as u32;
        let mut channels = extent.q;
        if comptime!(config.rows()) {
            channel = row + (lane / 4) * 2 + i as u32;
            channels = extent.p;
        }
        let mut value = 0.0f32;
        if comptime!(config.guard) {
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
