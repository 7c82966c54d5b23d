//! What the sweeps share: the way of a warp over its tiles, V of a tile, and sums
//! over the channels.

use cubecl::prelude::*;

use super::config::{TILE_P, TILE_Q};
use super::masked::mask_tile;
use super::product::Four;
use super::sweep_config::SweepConfig;
use super::sweep_slabs::low_rank;
use super::tile::Extent;
use crate::dropout_mask::MaskArgs;

/// Where a cube's part of the weight begins, and the tiles of one warp in it.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Way {
    /// Of the cube.
    pub first_row: u32,
    pub first_column: u32,
    /// Of the warp's first tile.
    pub row: u32,
    pub column: u32,
    /// From one tile to the next.
    pub down: u32,
    pub right: u32,
}

/// The way of this warp in the cube at (`cube_x`, `cube_y`).
#[cube]
pub(super) fn way(cube_x: u32, cube_y: u32, #[comptime] config: SweepConfig) -> Way {
    let first_row = cube_y * comptime!(config.rows as u32);
    let first_column = cube_x * comptime!(config.columns as u32);
    let warp = UNIT_POS / 32;
    let mut row = first_row;
    let mut column = first_column + warp * comptime!(TILE_Q as u32);
    if comptime!(config.along) {
        row = first_row + warp * comptime!(TILE_P as u32);
        column = first_column;
    }
    let down = comptime!(if config.along { 0u32 } else { TILE_P as u32 });
    let right = comptime!(if config.along { TILE_Q as u32 } else { 0u32 });
    Way {
        first_row,
        first_column,
        row,
        column,
        down,
        right,
    }
}

/// The cube's channels: the first, and how many the weight has; which part of each
/// is the cube's, of how many.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Channels {
    pub first: u32,
    pub count: u32,
    pub split: u32,
    pub splits: u32,
}

#[cube]
pub(super) fn cube_channels(
    way: &Way,
    cube_x: u32,
    cube_y: u32,
    extent: &Extent,
    #[comptime] config: SweepConfig,
) -> Channels {
    let mut first = way.first_column;
    let mut count = extent.q;
    let mut split = cube_y;
    let mut splits = CUBE_COUNT_Y;
    if comptime!(config.along) {
        first = way.first_row;
        count = extent.p;
        split = cube_x;
        splits = CUBE_COUNT_X;
    }
    Channels {
        first,
        count,
        split,
        splits,
    }
}

/// Makes V of this lane's part of the tile at (`row`, `column`), where it is W:
/// W/base + s·mask∘(L·R).
#[cube]
pub(super) fn to_v(
    tile: &mut Array<f32>,
    left_slab: &SharedMemory<Four>,
    right_slab: &SharedMemory<Four>,
    bases: &SharedMemory<f32>,
    row: u32,
    column: u32,
    way: &Way,
    extent: &Extent,
    scaling: f32,
    mask: &MaskArgs,
    scratch: &mut SharedMemory<f32>,
    #[comptime] config: SweepConfig,
) {
    let cube_row = row - way.first_row;
    let cube_column = column - way.first_column;
    if comptime!(config.normalised_base) {
        let mut own = Array::<f32>::new(comptime!(config.own_channels()));
        own_channels(bases, &mut own, cube_row, cube_column, config);
        #[unroll]
        for i in 0..16usize {
            let base = own[comptime!(config.own_channel(i))];
            // A channel of zeros has no direction and stays zero.
            tile[i] = select(base == 0.0f32, 0.0f32, tile[i] / base);
        }
    }
    let mut update = Array::<f32>::new(16usize);
    low_rank(
        left_slab,
        right_slab,
        &mut update,
        cube_row,
        cube_column,
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
    #[unroll]
    for i in 0..16usize {
        tile[i] = fma(update[i], scaling, tile[i]);
    }
}

/// A per-channel vector of the cube at this lane's channels of the tile at (`row`,
/// `column`) of the cube.
#[cube]
pub(super) fn own_channels(
    from: &SharedMemory<f32>,
    to: &mut Array<f32>,
    row: u32,
    column: u32,
    #[comptime] config: SweepConfig,
) {
    let lane = UNIT_POS % 32;
    #[unroll]
    for i in 0..comptime!(config.own_channels()) {
        let mut channel = column
            + (lane % 4) * comptime!(config.storage.lane_columns())
            + comptime!(config.storage.column_of(i));
        if comptime!(config.along) {
            channel = row + (lane / 4) * 2 + i as u32;
        }
        to[i] = from[channel as usize];
    }
}

/// Adds up what the lanes of the cube hold of each channel, to
/// `partials[split][channel]`.
#[cube]
pub(super) fn write_partials(
    sums: &Array<f32>,
    shares: &mut SharedMemory<f32>,
    partials: &mut Array<f32>,
    way: &Way,
    channels: &Channels,
    #[comptime] config: SweepConfig,
) {
    // `[channel][lane]` of the lanes that hold parts of one channel.
    let lane = UNIT_POS % 32;
    let lanes = comptime!(config.lanes() as u32);
    let stride = comptime!(config.lanes() as u32 + 1);
    let mut share = lane / 4;
    if comptime!(config.along) {
        share = lane % 4;
    }
    #[unroll]
    for i in 0..comptime!(config.own_channels()) {
        let mut channel = way.column - way.first_column
            + (lane % 4) * comptime!(config.storage.lane_columns())
            + comptime!(config.storage.column_of(i));
        if comptime!(config.along) {
            channel = way.row - way.first_row + (lane / 4) * 2 + i as u32;
        }
        shares[(channel * stride + share) as usize] = sums[i];
    }
    sync_cube();
    let mut at = UNIT_POS;
    while at < comptime!(config.channels() as u32) {
        let channel = channels.first + at;
        if channel < channels.count {
            let mut sum = 0.0f32;
            for i in 0..lanes {
                sum += shares[(at * stride + i) as usize];
            }
            partials[(channels.split * channels.count + channel) as usize] = sum;
        }
        at += comptime!(config.units() as u32);
    }
}
