//! The forward pass where a channel is too long for one cube: V is computed for
//! its norm, and again to be scaled.

use cubecl::prelude::*;

use super::cube_place::{cube_x, cube_y};
use super::forward::{ratio, sum_partials};
use super::fragment::pace;
use super::product::Four;
use super::sweep_config::SweepConfig;
use super::sweep_slabs::{fill_left, fill_right};
use super::sweep_tiles::{cube_channels, own_channels, to_v, way, write_partials};
use super::tile::{Extent, fetch_tile, store_tile, unpack_tile};
use crate::dropout_mask::MaskArgs;

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
    mask: MaskArgs,
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
    let mut bases = SharedMemory::<f32>::new(comptime!(config.bases()));
    let backwards = comptime!(goal == Goal::Merged);
    let (cube_x, cube_y) = (cube_x(backwards), cube_y(backwards));
    let way = way(cube_x, cube_y, config);

    let width = NW::value();
    let slots = comptime!(16 / width);
    let ahead = comptime!(config.ahead);
    let mut raw = Array::<Vector<W, NW>>::new(comptime!(ahead * slots));
    #[unroll]
    for slot in 0..ahead {
        let index = comptime!(slot as u32);
        fetch_tile::<W, NW>(
            weight,
            &mut raw,
            way.row + way.down * index,
            way.column + way.right * index,
            &extent,
            comptime!(slot * slots),
            config.storage,
        );
    }
    fill_left::<A, NL>(left, &mut left_slab, way.first_row, &extent, rank, config);
    fill_right::<A, NR>(
        right,
        &mut right_slab,
        way.first_column,
        &extent,
        rank,
        config,
    );
    let channels = cube_channels(&way, cube_x, cube_y, &extent, config);
    let mut at = UNIT_POS;
    while at < comptime!(config.channels() as u32) {
        let channel = channels.first + at;
        if comptime!(config.normalised_base) {
            let mut base = 1.0f32;
            if channel < channels.count {
                base = base_norm[channel as usize];
            }
            bases[at as usize] = base;
        }
        if comptime!(goal == Goal::Merged) {
            let mut value = 0.0f32;
            if channel < channels.count {
                let (own, count) = (channel as usize, channels.count as usize);
                let n = sum_partials(partials, own, count, channels.splits).sqrt();
                value = ratio(magnitude[own], n, eps);
                if channels.split == 0 {
                    norm[own] = n;
                }
            }
            ratios[at as usize] = value;
        }
        at += comptime!(config.units() as u32);
    }
    sync_cube();

    let mut sums = Array::<f32>::new(comptime!(config.own_channels()));
    #[unroll]
    for i in 0..comptime!(config.own_channels()) {
        sums[i] = 0.0f32;
    }
    let tiles = comptime!(config.tiles());
    for round in 0..comptime!(tiles / ahead) {
        #[unroll]
        for slot in 0..ahead {
            let index = (round * ahead + slot) as u32;
            let (row, column) = (way.row + way.down * index, way.column + way.right * index);
            let mut v = Array::<f32>::new(16usize);
            unpack_tile::<W, NW>(&raw, &mut v, comptime!(slot * slots), config.storage);
            to_v(
                &mut v,
                &left_slab,
                &right_slab,
                &bases,
                row,
                column,
                &way,
                &extent,
                scaling,
                &mask,
                &mut scratch,
                config,
            );
            if comptime!(goal == Goal::Squares) {
                #[unroll]
                for i in 0..16usize {
                    let to = comptime!(config.own_channel(i));
                    sums[to] = fma(v[i], v[i], sums[to]);
                }
            } else {
                let mut own = Array::<f32>::new(comptime!(config.own_channels()));
                own_channels(
                    &ratios,
                    &mut own,
                    row - way.first_row,
                    column - way.first_column,
                    config,
                );
                #[unroll]
                for i in 0..16usize {
                    v[i] *= own[comptime!(config.own_channel(i))];
                }
                store_tile::<W, NW>(merged, &v, row, column, &extent, 0usize, config.storage);
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
                fetch_tile::<W, NW>(
                    weight,
                    &mut raw,
                    way.row + way.down * next,
                    way.column + way.right * next,
                    &extent,
                    comptime!(slot * slots),
                    config.storage,
                );
            }
        }
    }
    if comptime!(goal == Goal::Squares) {
        write_partials(&sums, &mut shares, partials, &way, &channels, config);
    }
}
