//! The forward pass where a cube covers whole channels, and what sums partials.

use cubecl::prelude::*;

use super::channel_sum::{first_channel, shared_floats, sum_channels};
use super::config::{Config, LANE};
use super::fused_low_rank::{add_low_rank, fill_slab, right_fragments, tile_position};
use super::tile::{Extent, fetch_tile, store_tile, unpack_tile};
use crate::dropout_mask::MaskArgs;

/// `sqrt` of the sum of the partials of each channel.
#[cube(launch_unchecked)]
pub(super) fn finish_norm(partials: &Array<f32>, norm: &mut Array<f32>, splits: u32) {
    let channel = ABSOLUTE_POS;
    if channel < norm.len() {
        norm[channel] = sum_partials(partials, channel, norm.len(), splits).sqrt();
    }
}

/// In the order of the splits. Eight are read before they are added, so that they
/// do not wait for each other.
#[cube]
pub(super) fn sum_partials(
    partials: &Array<f32>,
    channel: usize,
    channels: usize,
    splits: u32,
) -> f32 {
    let mut sum = 0.0f32;
    let splits = splits as usize;
    let eights = splits / 8;
    for eight in 0..eights {
        let mut some = Array::<f32>::new(8usize);
        #[unroll]
        for i in 0..8usize {
            some[i] = partials[(eight * 8 + i) * channels + channel];
        }
        #[unroll]
        for i in 0..8usize {
            sum += some[i];
        }
    }
    for split in eights * 8..splits {
        sum += partials[split * channels + channel];
    }
    sum
}

/// m / (n + eps), and 1 where that divides by 0.
#[cube]
pub(super) fn ratio(magnitude: f32, norm: f32, eps: f32) -> f32 {
    let denominator = norm + eps;
    select(denominator == 0.0f32, 1.0f32, magnitude / denominator)
}

/// Multiplies this lane's part of a tile by its channels' entries of `ratios`,
/// which begins at the cube's first channel.
#[cube]
fn multiply_channels(
    tile: &mut Array<f32>,
    ratios: &SharedMemory<f32>,
    row: u32,
    column: u32,
    #[comptime] start: usize,
    #[comptime] config: Config,
) {
    let lane = UNIT_POS % 32;
    let first = first_channel(config);
    #[unroll]
    for i in 0..LANE {
        let mut channel = column
            + (lane % 4) * comptime!(config.storage.lane_columns())
            + comptime!(config.storage.column_of(i % 8));
        if comptime!(config.rows()) {
            channel = row + (lane / 4) * 2 + comptime!(i as u32 / 8);
        }
        tile[start + i] *= ratios[(channel - first) as usize];
    }
}

/// The whole of the forward pass where a cube covers whole channels: V stays in
/// registers between the norm and the scaling. Without `merge` the norm alone.
#[cube(launch_unchecked)]
pub(super) fn fused<W: Float, A: Float, NW: Size, NL: Size, NR: Size>(
    weight: &Array<Vector<W, NW>>,
    left: &Array<Vector<A, NL>>,
    left_elements: &Array<A>,
    right: &Array<Vector<A, NR>>,
    base_norm: &Array<f32>,
    magnitude: &Array<f32>,
    norm: &mut Array<f32>,
    merged: &mut Array<Vector<W, NW>>,
    extent: Extent,
    scaling: f32,
    eps: f32,
    mask: MaskArgs,
    #[comptime] merge: bool,
    #[comptime] config: Config,
) {
    let mut scratch = SharedMemory::<f32>::new(comptime!(config.scratch()));
    let mut slab = SharedMemory::<Vector<f32, Const<4>>>::new(comptime!(config.slab_vectors()));
    let mut shared = SharedMemory::<f32>::new(comptime!(shared_floats(config)));
    let mut ratios = SharedMemory::<f32>::new(comptime!(config.span_channels()));
    let mut sums = Array::<f32>::new(comptime!(config.tile_channels()));
    #[unroll]
    for i in 0..comptime!(config.tile_channels()) {
        sums[i] = 0.0f32;
    }
    // All loads before the arithmetic, so that many are under way at once.
    let width = NW::value();
    let slots = comptime!(LANE / width);
    let mut raw = Array::<Vector<W, NW>>::new(comptime!(config.tiles * slots));
    #[unroll]
    for index in 0..comptime!(config.tiles) {
        let (row, column) = tile_position(index as u32, config);
        let start = comptime!(index * slots);
        fetch_tile::<W, NW>(
            weight,
            &mut raw,
            row,
            column,
            &extent,
            start,
            config.storage,
        );
    }
    let first_row = CUBE_POS_Y * comptime!(config.span_p() as u32);
    fill_slab::<A>(left_elements, &mut slab, first_row, &extent, config);
    sync_cube();
    let mut kept = Array::<f32>::new(comptime!(config.tiles * LANE));
    let mut r = Array::<f32>::new(comptime!(config.rank_groups() * 16));
    #[unroll]
    for index in 0..comptime!(config.tiles) {
        let (row, column) = tile_position(index as u32, config);
        if comptime!(index == 0 || config.rows()) {
            right_fragments::<A, NR>(right, &mut r, column, &extent, config);
        }
        let mut v = Array::<f32>::new(LANE);
        unpack_tile::<W, NW>(&raw, &mut v, comptime!(index * slots), config.storage);
        add_low_rank::<A, NL>(
            left,
            &r,
            base_norm,
            &mut v,
            row,
            column,
            &slab,
            row - first_row,
            &extent,
            scaling,
            &mask,
            &mut scratch,
            config,
        );
        #[unroll]
        for i in 0..LANE {
            let channel = comptime!(config.own_channel(i));
            sums[channel] = fma(v[i], v[i], sums[channel]);
            kept[index * LANE + i] = v[i];
        }
    }
    let sum = sum_channels(&sums, &mut shared, config);
    if UNIT_POS < comptime!(config.span_channels() as u32) {
        let channel = first_channel(config) + UNIT_POS;
        let channels = select(comptime!(config.rows()), extent.p, extent.q);
        let mut value = 0.0f32;
        if channel < channels {
            let n = sum.sqrt();
            norm[channel as usize] = n;
            value = ratio(magnitude[channel as usize], n, eps);
        }
        ratios[UNIT_POS as usize] = value;
    }
    if comptime!(merge) {
        sync_cube();
        #[unroll]
        for index in 0..comptime!(config.tiles) {
            let (row, column) = tile_position(index as u32, config);
            multiply_channels(
                &mut kept,
                &ratios,
                row,
                column,
                comptime!(index * LANE),
                config,
            );
            store_tile::<W, NW>(
                merged,
                &kept,
                row,
                column,
                &extent,
                comptime!(index * LANE),
                config.storage,
            );
        }
    }
}
