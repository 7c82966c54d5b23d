//! The kernels of the forward pass and of the sums that the backward pass needs.

use cubecl::prelude::*;

use super::channel_sum::{first_channel, shared_floats, split, sum_channels};
use super::config::{Config, LANE, MatrixProducts};
use super::tile::{Extent, add_low_rank, load_tile, store_tile, tile_position};

/// What [`reduce`] sums over each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Term {
    /// V², whose sum is the squared norm.
    Square,
    /// G·V, G being the gradient of W'.
    Gradient,
}

/// Sums a [`Term`] over this cube's part of each channel: `partials[split][channel]`.
#[cube(launch_unchecked)]
pub(super) fn reduce<W: Float, A: Float, NW: Size, NL: Size, NR: Size>(
    weight: &Array<Vector<W, NW>>,
    gradient: &Array<Vector<W, NW>>,
    left: &Array<Vector<A, NL>>,
    right: &Array<Vector<A, NR>>,
    base_norm: &Array<f32>,
    partials: &mut Array<f32>,
    extent: Extent,
    scaling: f32,
    #[comptime] term: Term,
    #[comptime] config: Config,
) {
    let mut scratch = SharedMemory::<f32>::new(comptime!(config.scratch()));
    let mut shared = SharedMemory::<f32>::new(comptime!(shared_floats(config)));
    let mut sums = Array::<f32>::new(comptime!(config.lane_channels()));
    #[unroll]
    for i in 0..comptime!(config.lane_channels()) {
        sums[i] = 0.0f32;
    }
    for index in 0..comptime!(config.tiles as u32) {
        let (row, column) = tile_position(index, config);
        let mut v = Array::<f32>::new(LANE);
        load_tile::<W, NW>(weight, &mut v, row, column, &extent, config.guard);
        let mut g = Array::<f32>::new(LANE);
        if comptime!(term == Term::Gradient) {
            load_tile::<W, NW>(gradient, &mut g, row, column, &extent, config.guard);
        }
        add_low_rank::<A, NL, NR>(
            left,
            right,
            base_norm,
            &mut v,
            row,
            column,
            &extent,
            scaling,
            &mut scratch,
            config,
        );
        #[unroll]
        for i in 0..LANE {
            let channel = comptime!(if config.rows() { i / 8 } else { i % 8 });
            if comptime!(term == Term::Gradient) {
                sums[channel] = fma(g[i], v[i], sums[channel]);
            } else {
                sums[channel] = fma(v[i], v[i], sums[channel]);
            }
        }
    }
    let sum = sum_channels(&sums, &mut shared, config);
    let channel = first_channel(config) + UNIT_POS;
    let channels = select(comptime!(config.rows()), extent.p, extent.q);
    if UNIT_POS < comptime!(config.span_channels() as u32) && channel < channels {
        let (at, _) = split(config);
        partials[(at * channels + channel) as usize] = sum;
    }
}

/// `sqrt` of the sum of the partials of each channel.
#[cube(launch_unchecked)]
pub(super) fn finish_norm(partials: &Array<f32>, norm: &mut Array<f32>, splits: u32) {
    let channel = ABSOLUTE_POS;
    if channel < norm.len() {
        norm[channel] = sum_partials(partials, channel, norm.len(), splits).sqrt();
    }
}

#[cube]
pub(super) fn sum_partials(
    partials: &Array<f32>,
    channel: usize,
    channels: usize,
    splits: u32,
) -> f32 {
    let mut sum = 0.0f32;
    for split in 0..splits as usize {
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

/// W' from the norm's partials, and the norm.
#[cube(launch_unchecked)]
pub(super) fn scale<W: Float, A: Float, NW: Size, NL: Size, NR: Size>(
    weight: &Array<Vector<W, NW>>,
    left: &Array<Vector<A, NL>>,
    right: &Array<Vector<A, NR>>,
    base_norm: &Array<f32>,
    magnitude: &Array<f32>,
    partials: &Array<f32>,
    norm: &mut Array<f32>,
    merged: &mut Array<Vector<W, NW>>,
    extent: Extent,
    scaling: f32,
    eps: f32,
    splits: u32,
    #[comptime] config: Config,
) {
    let mut scratch = SharedMemory::<f32>::new(comptime!(config.scratch()));
    let mut ratios = SharedMemory::<f32>::new(comptime!(config.span_channels()));
    let channel = first_channel(config) + UNIT_POS;
    let channels = select(comptime!(config.rows()), extent.p, extent.q);
    if UNIT_POS < comptime!(config.span_channels() as u32) {
        let mut value = 0.0f32;
        if channel < channels {
            let n = sum_partials(partials, channel as usize, channels as usize, splits).sqrt();
            value = ratio(magnitude[channel as usize], n, eps);
            let (at, _) = split(config);
            if at == 0 {
                norm[channel as usize] = n;
            }
        }
        ratios[UNIT_POS as usize] = value;
    }
    sync_cube();
    for index in 0..comptime!(config.tiles as u32) {
        let (row, column) = tile_position(index, config);
        let mut v = Array::<f32>::new(LANE);
        load_tile::<W, NW>(weight, &mut v, row, column, &extent, config.guard);
        add_low_rank::<A, NL, NR>(
            left,
            right,
            base_norm,
            &mut v,
            row,
            column,
            &extent,
            scaling,
            &mut scratch,
            config,
        );
        multiply_channels(&mut v, &ratios, row, column, 0usize, config);
        store_tile::<W, NW>(merged, &v, row, column, &extent, 0usize, config.guard);
    }
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
        let mut channel = column + (lane % 4) * 8 + comptime!(i as u32 % 8);
        if comptime!(config.rows()) {
            channel = row + (lane / 4) * 2 + comptime!(i as u32 / 8);
        }
        tile[start + i] *= ratios[(channel - first) as usize];
    }
}

/// The whole of the forward pass where a cube covers whole channels: V stays in
/// registers between the norm and the scaling.
#[cube(launch_unchecked)]
pub(super) fn fused<W: Float, A: Float, NW: Size, NL: Size, NR: Size>(
    weight: &Array<Vector<W, NW>>,
    left: &Array<Vector<A, NL>>,
    right: &Array<Vector<A, NR>>,
    base_norm: &Array<f32>,
    magnitude: &Array<f32>,
    norm: &mut Array<f32>,
    merged: &mut Array<Vector<W, NW>>,
    extent: Extent,
    scaling: f32,
    eps: f32,
    #[comptime] config: Config,
) {
    let mut scratch = SharedMemory::<f32>::new(comptime!(config.scratch()));
    let mut shared = SharedMemory::<f32>::new(comptime!(shared_floats(config)));
    let mut ratios = SharedMemory::<f32>::new(comptime!(config.span_channels()));
    let mut sums = Array::<f32>::new(comptime!(config.lane_channels()));
    #[unroll]
    for i in 0..comptime!(config.lane_channels()) {
        sums[i] = 0.0f32;
    }
    let mut kept = Array::<f32>::new(comptime!(config.tiles * LANE));
    // All loads before the arithmetic, so that many are under way at once.
    #[unroll]
    for index in 0..comptime!(config.tiles) {
        let (row, column) = tile_position(index as u32, config);
        let mut w = Array::<f32>::new(LANE);
        load_tile::<W, NW>(weight, &mut w, row, column, &extent, config.guard);
        #[unroll]
        for i in 0..LANE {
            kept[index * LANE + i] = w[i];
        }
    }
    #[unroll(config.products != MatrixProducts::Units)]
    for index in 0..comptime!(config.tiles) {
        let (row, column) = tile_position(index as u32, config);
        let mut v = Array::<f32>::new(LANE);
        #[unroll]
        for i in 0..LANE {
            v[i] = kept[index * LANE + i];
        }
        add_low_rank::<A, NL, NR>(
            left,
            right,
            base_norm,
            &mut v,
            row,
            column,
            &extent,
            scaling,
            &mut scratch,
            config,
        );
        #[unroll]
        for i in 0..LANE {
            let channel = comptime!(if config.rows() { i / 8 } else { i % 8 });
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
            config.guard,
        );
    }
}
