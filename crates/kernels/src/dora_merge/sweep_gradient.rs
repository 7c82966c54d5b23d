//! The backward pass where the update has a mask: what the mask leaves of V has no
//! low rank, so that dL/d(B·A) is written to memory.

use cubecl::prelude::*;

use super::cube_place::{cube_x, cube_y};
use super::finish::over;
use super::forward::{ratio, sum_partials};
use super::fragment::pace;
use super::masked::mask_tile;
use super::product::Four;
use super::sweep_config::SweepConfig;
use super::sweep_slabs::{fill_left, fill_right};
use super::sweep_tiles::{cube_channels, own_channels, to_v, way, write_partials};
use super::tile::{Extent, fetch_tile, store_tile, unpack_tile};
use crate::dropout_mask::MaskArgs;

/// What a kernel makes of V and G = dL/dW'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum GradientGoal {
    /// `partials[split][channel]` of t = <G, V>.
    Dots,
    /// dm, and D = mask∘(g·G - c·V), from those partials; without `full`, c is 0.
    /// See [`super::finish`] for g and c.
    Dense { full: bool },
}

impl GradientGoal {
    fn reads_v(self) -> bool {
        self != Self::Dense { full: false }
    }
}

/// Sweeps the cube's tiles; see [`SweepConfig`] for where they lie.
#[cube(launch_unchecked)]
pub(super) fn sweep_gradient<W: Float, A: Float, NW: Size, NL: Size, NR: Size, ND: Size>(
    gradient: &Array<Vector<W, NW>>,
    weight: &Array<Vector<W, NW>>,
    left: &Array<Vector<A, NL>>,
    right: &Array<Vector<A, NR>>,
    base_norm: &Array<f32>,
    magnitude: &Array<f32>,
    norm: &Array<f32>,
    partials: &mut Array<f32>,
    d_magnitude: &mut Array<f32>,
    dense: &mut Array<Vector<f32, ND>>,
    extent: Extent,
    rank: u32,
    scaling: f32,
    eps: f32,
    mask: MaskArgs,
    #[comptime] goal: GradientGoal,
    #[comptime] config: SweepConfig,
) {
    let dots = comptime!(goal == GradientGoal::Dots);
    let reads_v = comptime!(goal.reads_v());
    let mut scratch = SharedMemory::<f32>::new(comptime!(config.scratch()));
    let mut left_slab = SharedMemory::<Four>::new(comptime!(config.left_slab()));
    let mut right_slab = SharedMemory::<Four>::new(comptime!(config.right_slab()));
    let mut shares = SharedMemory::<f32>::new(comptime!(if dots { config.shares() } else { 1 }));
    // In place of the shares.
    let each = comptime!(if dots { 1 } else { config.channels() });
    let mut ratios = SharedMemory::<f32>::new(each);
    let mut alongs = SharedMemory::<f32>::new(each);
    let mut bases = SharedMemory::<f32>::new(comptime!(config.bases()));
    let backwards = comptime!(!dots);
    let (cube_x, cube_y) = (cube_x(backwards), cube_y(backwards));
    let way = way(cube_x, cube_y, config);
    if comptime!(reads_v) {
        fill_left::<A, NL>(left, &mut left_slab, way.first_row, &extent, rank, config);
        fill_right::<A, NR>(
            right,
            &mut right_slab,
            way.first_column,
            &extent,
            rank,
            config,
        );
    }
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
        if comptime!(!dots) {
            let mut value = 0.0f32;
            let mut along = 0.0f32;
            if channel < channels.count {
                let (own, count) = (channel as usize, channels.count as usize);
                let dot = sum_partials(partials, own, count, channels.splits);
                let n = norm[own];
                let denominator = n + eps;
                value = ratio(magnitude[own], n, eps);
                along = over(value * dot, n * denominator);
                if channels.split == 0 {
                    d_magnitude[own] = over(dot, denominator);
                }
            }
            ratios[at as usize] = value;
            alongs[at as usize] = along;
        }
        at += comptime!(config.units() as u32);
    }
    sync_cube();

    let width = NW::value();
    let slots = comptime!(16 / width);
    let mut sums = Array::<f32>::new(comptime!(config.own_channels()));
    #[unroll]
    for i in 0..comptime!(config.own_channels()) {
        sums[i] = 0.0f32;
    }
    for index in 0..comptime!(config.tiles() as u32) {
        let (row, column) = (way.row + way.down * index, way.column + way.right * index);
        let mut raw = Array::<Vector<W, NW>>::new(slots);
        let mut g = Array::<f32>::new(16usize);
        let mut v = Array::<f32>::new(16usize);
        fetch_tile::<W, NW>(
            gradient,
            &mut raw,
            row,
            column,
            &extent,
            0usize,
            config.storage,
        );
        if comptime!(reads_v) {
            let mut raw_weight = Array::<Vector<W, NW>>::new(slots);
            fetch_tile::<W, NW>(
                weight,
                &mut raw_weight,
                row,
                column,
                &extent,
                0usize,
                config.storage,
            );
            unpack_tile::<W, NW>(&raw_weight, &mut v, 0usize, config.storage);
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
        }
        unpack_tile::<W, NW>(&raw, &mut g, 0usize, config.storage);
        if comptime!(dots) {
            #[unroll]
            for i in 0..16usize {
                let to = comptime!(config.own_channel(i));
                sums[to] = fma(g[i], v[i], sums[to]);
            }
        } else {
            let (cube_row, cube_column) = (row - way.first_row, column - way.first_column);
            let mut own = Array::<f32>::new(comptime!(config.own_channels()));
            own_channels(&ratios, &mut own, cube_row, cube_column, config);
            #[unroll]
            for i in 0..16usize {
                g[i] *= own[comptime!(config.own_channel(i))];
            }
            if comptime!(reads_v) {
                own_channels(&alongs, &mut own, cube_row, cube_column, config);
                #[unroll]
                for i in 0..16usize {
                    g[i] = fma(-own[comptime!(config.own_channel(i))], v[i], g[i]);
                }
            }
            mask_tile(
                &mut g,
                &mask,
                row,
                column,
                &extent,
                config.storage,
                config.masked,
            );
            store_tile::<f32, ND>(dense, &g, row, column, &extent, 0usize, config.storage);
        }
        pace(config.products);
    }
    if comptime!(dots) {
        write_partials(&sums, &mut shares, partials, &way, &channels, config);
    }
}
