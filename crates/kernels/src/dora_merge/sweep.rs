//! The forward pass where a channel is too long for one cube: V is computed for
//! its norm, and again to be scaled.

use cubecl::prelude::*;

use super::config::{TILE_P, TILE_Q};
use super::cube_place::{cube_x, cube_y};
use super::forward::{ratio, sum_partials};
use super::fragment::pace;
use super::product::Four;
use super::sweep_config::SweepConfig;
use super::sweep_slabs::{add_update, fill_left, fill_right};
use super::tile::{Extent, fetch_tile, store_tile, unpack_tile};

/// What a kernel makes of V.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Goal {
    /// `partials[split][channel]` of its squares.
    Squares,
    /// W', and the norm from those partials.
    Merged,
}

/// Sweeps the cube's tiles; see [`SweepConfig`] for where they lie.
#[cube(launch_unchecked)]
pub(super) fn sweep<W: Float, A: Float, NW: Size, NL: Size, NR: Size>(
    weight: &Array<Vector<W, NW>>,
    left: &Array<Vector<A, NL>>,
    right: &Array<Vector<A, NR>>,
    base_norm: &Array<f32>,
    magnitude: &Array<f32>,
    partials: &mut Array<f32>,
    norm: &mut Array<f32>,
    merged: &mut Array<Vector<W, NW>>,
    extent: Extent,
    rank: u32,
    scaling: f32,
    eps: f32,
    #[comptime] goal: Goal,
    #[comptime] config: SweepConfig,
) {
    let mut scratch = SharedMemory::<f32>::new(comptime!(config.scratch()));
    let mut left_slab = SharedMemory::<Four>::new(comptime!(config.left_slab()));
    let mut right_slab = SharedMemory::<Four>::new(comptime!(config.right_slab()));
    let mut shares = SharedMemory::<f32>::new(comptime!(if goal == Goal::Squares {
        config.shares()
    } else {
        1
    }));
    let mut ratios = SharedMemory::<f32>::new(comptime!(config.channels()));
    let mut bases = SharedMemory::<f32>::new(comptime!(if config.normalised_base {
        config.channels()
    } else {
        1
    }));
    let backwards = comptime!(goal == Goal::Merged);
    let (cube_x, cube_y) = (cube_x(backwards), cube_y(backwards));
    let first_row = cube_y * comptime!(config.rows as u32);
    let first_column = cube_x * comptime!(config.columns as u32);
    // The way of a warp: its first tile, and from one tile to the next.
    let warp = UNIT_POS / 32;
    let mut row = first_row;
    let mut column = first_column + warp * comptime!(TILE_Q as u32);
    if comptime!(config.along) {
        row = first_row + warp * comptime!(TILE_P as u32);
        column = first_column;
    }
    let down = comptime!(if config.along { 0u32 } else { TILE_P as u32 });
    let right_on = comptime!(if config.along { TILE_Q as u32 } else { 0u32 });

    let width = NW::value();
    let slots = comptime!(16 / width);
    let ahead = comptime!(config.ahead);
    let mut raw = Array::<Vector<W, NW>>::new(comptime!(ahead * slots));
    #[unroll]
    for slot in 0..ahead {
        let index = comptime!(slot as u32);
        let (at_row, at_column) = (row + down * index, column + right_on * index);
        let start = comptime!(slot * slots);
        fetch_tile::<W, NW>(
            weight,
            &mut raw,
            at_row,
            at_column,
            &extent,
            start,
            config.storage,
        );
    }
    fill_left::<A, NL>(left, &mut left_slab, first_row, &extent, rank, config);
    fill_right::<A, NR>(right, &mut right_slab, first_column, &extent, rank, config);
    let mut first_channel = first_column;
    let mut channels = extent.q;
    let mut split = cube_y;
    let mut splits = CUBE_COUNT_Y;
    if comptime!(config.along) {
        first_channel = first_row;
        channels = extent.p;
        split = cube_x;
        splits = CUBE_COUNT_X;
    }
    let mut at = UNIT_POS;
    while at < comptime!(config.channels() as u32) {
        let channel = first_channel + at;
        let mut value = 0.0f32;
        if comptime!(config.normalised_base) {
            let mut base = 1.0f32;
            if channel < channels {
                base = base_norm[channel as usize];
            }
            bases[at as usize] = base;
        }
        if comptime!(goal == Goal::Merged) {
            if channel < channels {
                let squares = sum_partials(partials, channel as usize, channels as usize, splits);
                let n = squares.sqrt();
                value = ratio(magnitude[channel as usize], n, eps);
                if split == 0 {
                    norm[channel as usize] = n;
                }
            }
            ratios[at as usize] = value;
        }
        at += comptime!(config.units() as u32);
    }
    sync_cube();

    let own = comptime!(if config.along { 2usize } else { 8usize });
    let mut sums = Array::<f32>::new(own);
    #[unroll]
    for i in 0..own {
        sums[i] = 0.0f32;
    }
    let tiles = comptime!(config.tiles());
    for round in 0..comptime!(tiles / ahead) {
        #[unroll]
        for slot in 0..ahead {
            let index = (round * ahead + slot) as u32;
            let start = comptime!(slot * slots);
            let mut v = Array::<f32>::new(16usize);
            unpack_tile::<W, NW>(&raw, &mut v, start, config.storage);
            let at_row = row + down * index;
            let at_column = column + right_on * index;
            if comptime!(config.normalised_base) {
                let mut own_bases = Array::<f32>::new(own);
                own_channels(
                    &bases,
                    &mut own_bases,
                    at_row - first_row,
                    at_column - first_column,
                    config,
                );
                #[unroll]
                for i in 0..16usize {
                    let base = own_bases[comptime!(if config.along { i / 8 } else { i % 8 })];
                    // A channel of zeros has no direction and stays zero.
                    v[i] = select(base == 0.0f32, 0.0f32, v[i] / base);
                }
            }
            add_update(
                &left_slab,
                &right_slab,
                &mut v,
                at_row - first_row,
                at_column - first_column,
                scaling,
                &mut scratch,
                config,
            );
            if comptime!(goal == Goal::Squares) {
                #[unroll]
                for i in 0..16usize {
                    let to = comptime!(if config.along { i / 8 } else { i % 8 });
                    sums[to] = fma(v[i], v[i], sums[to]);
                }
            } else {
                let mut own_ratios = Array::<f32>::new(own);
                own_channels(
                    &ratios,
                    &mut own_ratios,
                    at_row - first_row,
                    at_column - first_column,
                    config,
                );
                #[unroll]
                for i in 0..16usize {
                    v[i] *= own_ratios[comptime!(if config.along { i / 8 } else { i % 8 })];
                }
                store_tile::<W, NW>(
                    merged,
                    &v,
                    at_row,
                    at_column,
                    &extent,
                    0usize,
                    config.storage,
                );
            }
            // So that the compiler keeps the slots apart, or it runs out of registers.
            pace(config.products);
        }
        // As soon as the last of them is free, and together: lines of memory may
        // be in two.
        #[unroll]
        for slot in 0..ahead {
            let next = ((round + 1) * ahead + slot) as u32;
            if next < comptime!(tiles as u32) {
                let (at_row, at_column) = (row + down * next, column + right_on * next);
                let start = comptime!(slot * slots);
                fetch_tile::<W, NW>(
                    weight,
                    &mut raw,
                    at_row,
                    at_column,
                    &extent,
                    start,
                    config.storage,
                );
            }
        }
    }

    if comptime!(goal == Goal::Squares) {
        // `[channel][lane]` of the lanes that hold parts of one channel.
        let lane = UNIT_POS % 32;
        let lanes = comptime!(config.lanes() as u32);
        let stride = comptime!(config.lanes() as u32 + 1);
        let mut share = lane / 4;
        if comptime!(config.along) {
            share = lane % 4;
        }
        #[unroll]
        for i in 0..own {
            let mut channel = column - first_column
                + (lane % 4) * comptime!(config.storage.lane_columns())
                + comptime!(config.storage.column_of(i));
            if comptime!(config.along) {
                channel = row - first_row + (lane / 4) * 2 + i as u32;
            }
            shares[(channel * stride + share) as usize] = sums[i];
        }
        sync_cube();
        let mut at = UNIT_POS;
        while at < comptime!(config.channels() as u32) {
            let channel = first_channel + at;
            if channel < channels {
                let mut sum = 0.0f32;
                for i in 0..lanes {
                    sum += shares[(at * stride + i) as usize];
                }
                partials[(split * channels + channel) as usize] = sum;
            }
            at += comptime!(config.units() as u32);
        }
    }
}

/// A per-channel vector of the cube at this lane's channels of a tile.
#[cube]
fn own_channels(
    from: &SharedMemory<f32>,
    to: &mut Array<f32>,
    row: u32,
    column: u32,
    #[comptime] config: SweepConfig,
) {
    let lane = UNIT_POS % 32;
    #[unroll]
    for i in 0..comptime!(if config.along { 2usize } else { 8usize }) {
        let mut channel = column
            + (lane % 4) * comptime!(config.storage.lane_columns())
            + comptime!(config.storage.column_of(i));
        if comptime!(config.along) {
            channel = row + (lane / 4) * 2 + i as u32;
        }
        to[i] = from[channel as usize];
    }
}
