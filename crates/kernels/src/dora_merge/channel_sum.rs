//! Sums over a cube's part of each output channel, in a fixed order.

use cubecl::prelude::*;

use super::config::Config;

/// Sums what the lanes of the cube hold of each channel and hands every channel
/// of the cube to one unit: unit `u < span_channels` returns channel `u`'s sum,
/// the others 0. `lane` holds this lane's share of its own channels. Ends in a
/// state where `shared` may be written again after one `sync_cube`.
#[cube]
pub(super) fn sum_channels(
    lane_sums: &Array<f32>,
    shared: &mut SharedMemory<f32>,
    #[comptime] config: Config,
) -> f32 {
    // One float of padding, so that neighbouring channels lie in other banks.
    let stride = comptime!(config.lanes_per_channel() + 1);
    let lane = (UNIT_POS % 32) as usize;
    let warp = (UNIT_POS / 32) as usize;
    let warp_p = warp / comptime!(config.warps[1]);
    let warp_q = warp % comptime!(config.warps[1]);
    #[unroll]
    for i in 0..comptime!(config.tile_channels()) {
        let mut channel = warp_q * 32
            + (lane % 4) * comptime!(config.storage.lane_columns() as usize)
            + comptime!(config.storage.column_of(i) as usize);
        let mut share = warp_p * 8 + lane / 4;
        if comptime!(config.rows()) {
            channel = warp_p * 16 + (lane / 4) * 2 + i;
            share = warp_q * 4 + lane % 4;
        }
        shared[channel * stride + share] = lane_sums[i];
    }
    sync_cube();
    let mut sum = 0.0f32;
    let unit = UNIT_POS as usize;
    if unit < comptime!(config.span_channels()) {
        for share in 0..comptime!(config.lanes_per_channel()) {
            sum += shared[unit * stride + share];
        }
    }
    sum
}

/// Floats of shared memory that [`sum_channels`] needs.
pub(super) fn shared_floats(config: Config) -> usize {
    config.span_channels() * (config.lanes_per_channel() + 1)
}

/// The first channel of this cube.
#[cube]
pub(super) fn first_channel(#[comptime] config: Config) -> u32 {
    let mut first = CUBE_POS_X * comptime!(config.span_q() as u32);
    if comptime!(config.rows()) {
        first = CUBE_POS_Y * comptime!(config.span_p() as u32);
    }
    first
}
