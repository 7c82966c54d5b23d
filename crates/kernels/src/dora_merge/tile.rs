//! Tiles of matrices like the weight, as lanes hold them.

use cubecl::prelude::*;

use super::config::LANE;
use super::product::{load, unpack_all};
use super::tile_storage::TileStorage;

/// The two sizes of the weight, `[p, q]`.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Extent {
    pub p: u32,
    pub q: u32,
}

/// This lane's part of the tile at (`row`, `column`) of a matrix like the weight,
/// as it is stored, so that nothing waits for it yet: to `to[start..]`.
#[cube]
pub(super) fn fetch_tile<T: Float, N: Size>(
    from: &Array<Vector<T, N>>,
    to: &mut Array<Vector<T, N>>,
    row: u32,
    column: u32,
    extent: &Extent,
    #[comptime] start: usize,
    #[comptime] storage: TileStorage,
) {
    let lane = UNIT_POS % 32;
    let width = N::value();
    let left = column + (lane % 4) * comptime!(storage.lane_columns());
    #[unroll]
    for h in 0..2usize {
        let at_row = row + (lane / 4) * 2 + h as u32;
        #[unroll]
        for v in 0..comptime!(8 / width) {
            let at = left + comptime!(storage.column_of(v * width));
            let slot = comptime!(start + h * (8 / width) + v);
            to[slot] = load::<T, N>(from, at_row, at, extent, storage.guard);
        }
    }
}

/// What [`fetch_tile`] brought, as f32.
#[cube]
pub(super) fn unpack_tile<T: Float, N: Size>(
    from: &Array<Vector<T, N>>,
    to: &mut Array<f32>,
    #[comptime] start: usize,
    #[comptime] storage: TileStorage,
) {
    let width = N::value();
    unpack_all::<T, N>(from, to, start, comptime!(LANE / width), storage.bf16);
}

/// The counterpart of [`fetch_tile`]; elements outside are left alone.
#[cube]
pub(super) fn store_tile<T: Float, N: Size>(
    to: &mut Array<Vector<T, N>>,
    from: &Array<f32>,
    row: u32,
    column: u32,
    extent: &Extent,
    #[comptime] start: usize,
    #[comptime] storage: TileStorage,
) {
    let lane = UNIT_POS % 32;
    let width = N::value();
    let left = column + (lane % 4) * comptime!(storage.lane_columns());
    #[unroll]
    for h in 0..2usize {
        let at_row = row + (lane / 4) * 2 + h as u32;
        #[unroll]
        for v in 0..comptime!(8 / width) {
            let at = left + comptime!(storage.column_of(v * width));
            let position = (at_row * extent.q + at) as usize / width;
            let mut values = Vector::<T, N>::empty();
            #[unroll]
            for e in 0..width {
                values[e] = T::cast_from(from[start + h * 8 + v * width + e]);
            }
            if comptime!(storage.guard) {
                if at_row < extent.p && at < extent.q {
                    to[position] = values;
                }
            } else {
                to[position] = values;
            }
        }
    }
}
