//! The kernels of the backward pass.
//!
//! With G = dL/dW', t = <G, V> and dV = m/(n+eps)·G, less
//! m·t/(n·(n+eps)²)·V for the full gradient: dL = s·dV·Rᵀ, dR = s·Lᵀ·dV and
//! dm = t/(n+eps). V and dV exist in registers only.

use cubecl::prelude::*;

use super::config::{Config, LANE, MatrixProducts};
use super::forward::{ratio, sum_partials};
use super::fragment::multiply;
use super::tile::{
    Extent, add_low_rank, fetch_tile, fill_slab, left_element, right_element, right_fragments,
    unpack_tile,
};

/// Columns that a cube of [`gradients`] covers: 8 warps of a tile each.
pub(super) const COLUMNS: usize = 256;
/// Rows that a cube covers, at most.
pub(super) const MOST_ROWS: usize = 512;
/// Ranks that a cube covers, at most: what fits the registers.
pub(super) const MOST_RANKS: usize = 32;
/// Vectors of four in a row of a tile in shared memory, padded against bank
/// conflicts.
const STRIDE: usize = 9;

/// The partial gradients of both factors for one cube's columns and rows, in the
/// factors' own layouts: `d_left[x][..]` and `d_right[y][..]`, without s, and
/// for `chunk` of the ranks. `left_elements` and `right_elements` are
/// `left` and `right` again, by element. Without `full`, `dots[split][channel]`
/// too; with it, that is an input.
#[cube(launch_unchecked)]
pub(super) fn gradients<W: Float, A: Float, NW: Size, NL: Size, NR: Size>(
    weight: &Array<Vector<W, NW>>,
    gradient: &Array<Vector<W, NW>>,
    left: &Array<Vector<A, NL>>,
    right: &Array<Vector<A, NR>>,
    left_elements: &Array<A>,
    right_elements: &Array<A>,
    base_norm: &Array<f32>,
    magnitude: &Array<f32>,
    norm: &Array<f32>,
    dots: &mut Array<f32>,
    d_left: &mut Array<f32>,
    d_right: &mut Array<f32>,
    extent: Extent,
    scaling: f32,
    eps: f32,
    splits: u32,
    #[comptime] blocks: usize,
    #[comptime] full: bool,
    #[comptime] chunk: usize,
    #[comptime] config: Config,
) {
    let mut scratch = SharedMemory::<f32>::new(comptime!(config.scratch()));
    let mut ratios = SharedMemory::<f32>::new(comptime!(COLUMNS.max(blocks * 16)));
    let mut alongs = SharedMemory::<f32>::new(comptime!(COLUMNS.max(blocks * 16)));
    let mut shared = SharedMemory::<Vector<f32, Const<4>>>::new(comptime!(shared_vectors(chunk)));
    let mut slab = SharedMemory::<Vector<f32, Const<4>>>::new(comptime!(config.slab_vectors()));
    let warp = UNIT_POS / 32;
    let lane = UNIT_POS % 32;
    let g = lane / 4;
    let t = lane % 4;
    let first_row = CUBE_POS_Y * comptime!(blocks as u32 * 16);
    // Chunks of one place are neighbours, so that they find it in the cache.
    let chunks = comptime!(config.rank.div_ceil(chunk) as u32);
    let cube_x = CUBE_POS_X / chunks;
    let cube_chunk = CUBE_POS_X % chunks;
    let first_column = cube_x * comptime!(COLUMNS as u32);
    let column = first_column + warp * 32;
    let first_rank = cube_chunk * comptime!(chunk as u32);

    fill_slab::<A>(left_elements, &mut slab, first_row, &extent, config);
    // What each channel of this cube multiplies G and V by.
    let mut first_channel = first_column;
    let mut channels = extent.q;
    let mut here = comptime!(COLUMNS as u32).runtime();
    if comptime!(config.rows()) {
        first_channel = first_row;
        channels = extent.p;
        here = comptime!(blocks as u32 * 16).runtime();
    }
    for block in 0..comptime!(COLUMNS.max(blocks * 16).div_ceil(256) as u32) {
        let at = block * 256 + UNIT_POS;
        let channel = first_channel + at;
        let mut value = 0.0f32;
        let mut along = 0.0f32;
        if at < here && channel < channels {
            let n = norm[channel as usize];
            value = ratio(magnitude[channel as usize], n, eps);
            if comptime!(full) {
                let dot = sum_partials(dots, channel as usize, channels as usize, splits);
                along = select(n > 0.0f32, value * dot / (n * (n + eps)), 0.0f32);
            }
        }
        if at < here {
            ratios[at as usize] = value;
            alongs[at as usize] = along;
        }
    }
    sync_cube();

    let mut acc_right = Array::<f32>::new(comptime!(chunk));
    #[unroll]
    for i in 0..chunk {
        acc_right[i] = 0.0f32;
    }
    let mut lane_dots = Array::<f32>::new(comptime!(config.tile_channels()));
    #[unroll]
    for i in 0..comptime!(config.tile_channels()) {
        lane_dots[i] = 0.0f32;
    }

    // R by this warp's columns, for dL: the same for every row.
    let mut r = Array::<f32>::new(chunk);
    load_right(
        right_elements,
        &mut r,
        column,
        first_rank,
        &extent,
        chunk,
        config,
    );

    let mut fragments = Array::<f32>::new(comptime!(config.rank_groups() * 16));
    right_fragments::<A, NR>(right, &mut fragments, column, &extent, config);

    // The next tiles are under way while these are worked on.
    let width = NW::value();
    let slots = comptime!(LANE / width);
    let mut next_d = Array::<Vector<W, NW>>::new(slots);
    let mut next_v = Array::<Vector<W, NW>>::new(slots);
    fetch_tile::<W, NW>(
        gradient,
        &mut next_d,
        first_row,
        column,
        &extent,
        0usize,
        config,
    );
    fetch_tile::<W, NW>(
        weight,
        &mut next_v,
        first_row,
        column,
        &extent,
        0usize,
        config,
    );
    for block in 0..comptime!(blocks as u32) {
        let row = first_row + block * 16;
        let mut d = Array::<f32>::new(LANE);
        unpack_tile::<W, NW>(&next_d, &mut d, 0usize);
        let mut v = Array::<f32>::new(LANE);
        unpack_tile::<W, NW>(&next_v, &mut v, 0usize);
        if block + 1 < comptime!(blocks as u32) {
            let next = row + 16;
            fetch_tile::<W, NW>(gradient, &mut next_d, next, column, &extent, 0usize, config);
            fetch_tile::<W, NW>(weight, &mut next_v, next, column, &extent, 0usize, config);
        }
        add_low_rank::<A, NL>(
            left,
            &fragments,
            base_norm,
            &mut v,
            row,
            column,
            &slab,
            block * 16,
            &extent,
            scaling,
            &mut scratch,
            config,
        );
        if comptime!(!full && config.rows()) {
            lane_dots[0] = 0.0f32;
            lane_dots[1] = 0.0f32;
        }
        #[unroll]
        for i in 0..LANE {
            let mut at = column - first_column
                + t * comptime!(config.lane_columns())
                + comptime!(config.column_of(i % 8));
            if comptime!(config.rows()) {
                at = block * 16 + g * 2 + comptime!(i as u32 / 8);
            }
            let value = d[i] * ratios[at as usize];
            if comptime!(full) {
                d[i] = fma(-alongs[at as usize], v[i], value);
            } else {
                let own = comptime!(if config.rows() { i / 8 } else { i % 8 });
                lane_dots[own] = fma(d[i], v[i], lane_dots[own]);
                d[i] = value;
            }
        }

        // dL: dV as it lies times Rᵀ, summed over the cube's columns below.
        let mut acc_left = Array::<f32>::new(comptime!(chunk / 2));
        left_product(&d, &r, &mut acc_left, &mut scratch, chunk, config);

        // dR: Lᵀ times dV, which changes its place among the lanes for it.
        let own = warp as usize * comptime!(16 * STRIDE);
        #[unroll]
        for h in 0..2usize {
            #[unroll]
            for half in 0..2usize {
                let mut four = Vector::<f32, Const<4>>::empty();
                #[unroll]
                for e in 0..4usize {
                    four[e] = d[h * 8 + half * 4 + e];
                }
                let slot = comptime!(h * 8) + g as usize;
                shared[own + slot * STRIDE + (t * 2) as usize + half] = four;
            }
        }
        sync_warp(config);
        right_product::<A>(
            &shared,
            left_elements,
            &mut acc_right,
            row,
            first_rank,
            &extent,
            &mut scratch,
            chunk,
            config,
        );
        sync_cube();
        store_left(
            &acc_left,
            &mut shared,
            d_left,
            row,
            first_rank,
            cube_x,
            &extent,
            chunk,
            config,
        );
        sync_cube();
        if comptime!(!full && config.rows()) {
            if cube_chunk == 0 {
                store_row_dots(&lane_dots, &mut shared, dots, row, cube_x, &extent);
            }
            sync_cube();
        }
    }
    store_right(
        &acc_right, d_right, column, first_rank, &extent, chunk, config,
    );
    let outermost = cube_chunk == 0;
    if comptime!(!full && !config.rows()) && outermost {
        store_column_dots(&lane_dots, &mut shared, dots, first_column, &extent, config);
    }
}

/// Vectors of four that the cube's warps exchange: a tile each, or the sums of
/// dL, or the dots.
fn shared_vectors(chunk: usize) -> usize {
    (8 * 16 * STRIDE).max(8 * 16 * chunk / 4)
}

#[cube]
fn sync_warp(#[comptime] config: Config) {
    if comptime!(config.products == MatrixProducts::Units) {
        sync_cube();
    } else {
        sync_plane();
    }
}

/// R at `chunk` ranks and this lane's eight columns, `[rank / 8][column]`.
#[cube]
fn load_right<A: Float>(
    right: &Array<A>,
    r: &mut Array<f32>,
    column: u32,
    first_rank: u32,
    extent: &Extent,
    #[comptime] chunk: usize,
    #[comptime] config: Config,
) {
    let lane = UNIT_POS % 32;
    let left_most = column + (lane % 4) * comptime!(config.lane_columns());
    #[unroll]
    for tile in 0..comptime!(chunk / 8) {
        let at = first_rank + comptime!(tile as u32 * 8) + lane / 4;
        #[unroll]
        for x in 0..8usize {
            let at_column = left_most + comptime!(config.column_of(x));
            r[tile * 8 + x] = right_element::<A>(right, at, at_column, extent, config);
        }
    }
}

/// `acc = d · Rᵀ` for `chunk` ranks: 16 rows by `chunk`.
#[cube]
fn left_product(
    d: &Array<f32>,
    r: &Array<f32>,
    acc: &mut Array<f32>,
    scratch: &mut SharedMemory<f32>,
    #[comptime] chunk: usize,
    #[comptime] config: Config,
) {
    let tiles = comptime!(chunk / 8);
    #[unroll]
    for i in 0..comptime!(chunk / 2) {
        acc[i] = 0.0f32;
    }
    #[unroll]
    for s in 0..4usize {
        let mut a = Array::<f32>::new(4usize);
        a[0] = d[s * 2];
        a[1] = d[8 + s * 2];
        a[2] = d[s * 2 + 1];
        a[3] = d[8 + s * 2 + 1];
        let mut b = Array::<f32>::new(comptime!(tiles * 2));
        #[unroll]
        for tile in 0..tiles {
            b[tile * 2] = r[tile * 8 + s * 2];
            b[tile * 2 + 1] = r[tile * 8 + s * 2 + 1];
        }
        multiply(&a, &b, acc, scratch, 0usize, tiles, config);
    }
}

/// `acc += Lᵀ · d` for `chunk` ranks: `chunk` by 32 columns, `d` from shared memory.
#[cube]
fn right_product<A: Float>(
    shared: &SharedMemory<Vector<f32, Const<4>>>,
    left: &Array<A>,
    acc: &mut Array<f32>,
    row: u32,
    first_rank: u32,
    extent: &Extent,
    scratch: &mut SharedMemory<f32>,
    #[comptime] chunk: usize,
    #[comptime] config: Config,
) {
    let lane = UNIT_POS % 32;
    let g = lane / 4;
    let t = lane % 4;
    let own = (UNIT_POS / 32) as usize * comptime!(16 * STRIDE);
    #[unroll]
    for s in 0..2usize {
        // Slots 8s + t and 8s + t + 4 hold rows 2t + s and 2(t + 4) + s.
        let upper = shared[own + (comptime!(s * 8) + t as usize) * STRIDE + g as usize];
        let lower = shared[own + (comptime!(s * 8 + 4) + t as usize) * STRIDE + g as usize];
        let mut b = Array::<f32>::new(8usize);
        #[unroll]
        for tile in 0..4usize {
            b[tile * 2] = upper[tile];
            b[tile * 2 + 1] = lower[tile];
        }
        #[unroll]
        for m in 0..comptime!(chunk / 16) {
            let mut a = Array::<f32>::new(4usize);
            #[unroll]
            for i in 0..4usize {
                let at_row = row + t * 2 + comptime!((s + (i / 2) * 8) as u32);
                let at = first_rank + comptime!((m * 16 + (i % 2) * 8) as u32) + g;
                a[i] = left_element::<A>(left, at_row, at, extent, config);
            }
            multiply(&a, &b, acc, scratch, m * 16, 4usize, config);
        }
    }
}

/// Where dL at (`row`, `rank`) is in one partial of it.
#[cube]
fn left_position(row: u32, rank: u32, extent: &Extent, #[comptime] config: Config) -> u32 {
    let mut at = rank * extent.p + row;
    if comptime!(config.rows()) {
        at = row * comptime!(config.rank as u32) + rank;
    }
    at
}

/// Sums `acc` over the warps, in their order, and stores it.
#[cube]
fn store_left(
    acc: &Array<f32>,
    shared: &mut SharedMemory<Vector<f32, Const<4>>>,
    d_left: &mut Array<f32>,
    row: u32,
    first_rank: u32,
    cube_x: u32,
    extent: &Extent,
    #[comptime] chunk: usize,
    #[comptime] config: Config,
) {
    let warp = (UNIT_POS / 32) as usize;
    let lane = (UNIT_POS % 32) as usize;
    // Each lane's four of one product are one vector: [warp][product][lane].
    let products = comptime!(chunk / 8);
    #[unroll]
    for product in 0..products {
        let mut four = Vector::<f32, Const<4>>::empty();
        #[unroll]
        for e in 0..4usize {
            four[e] = acc[product * 4 + e];
        }
        shared[(warp * products + product) * 32 + lane] = four;
    }
    sync_cube();
    let slots = comptime!(products * 32);
    let mut slot = UNIT_POS as usize;
    while slot < slots {
        let mut sum = shared[slot];
        #[unroll]
        for other in 1..8usize {
            sum += shared[other * slots + slot];
        }
        let from = slot as u32 % 32;
        let base = first_rank + (slot as u32 / 32) * 8 + (from % 4) * 2;
        #[unroll]
        for e in 0..4usize {
            let at_row = row + (from / 4) * 2 + comptime!(e as u32 / 2);
            let rank = base + comptime!(e as u32 % 2);
            if at_row < extent.p && rank < comptime!(config.rank as u32) {
                let partial = cube_x * extent.p * comptime!(config.rank as u32);
                let at = partial + left_position(at_row, rank, extent, config);
                d_left[at as usize] = sum[e];
            }
        }
        slot += 256;
    }
}

/// Stores this lane's part of dR.
#[cube]
fn store_right(
    acc: &Array<f32>,
    d_right: &mut Array<f32>,
    column: u32,
    first_rank: u32,
    extent: &Extent,
    #[comptime] chunk: usize,
    #[comptime] config: Config,
) {
    let lane = UNIT_POS % 32;
    let ranks = comptime!(config.rank as u32);
    let partial = CUBE_POS_Y * extent.q * ranks;
    #[unroll]
    for m in 0..comptime!(chunk / 16) {
        #[unroll]
        for i in 0..16usize {
            // Product `tile` of four, its element e: rank g + 8(e / 2), element
            // 4(e % 2) + tile of this lane's columns.
            let tile = comptime!(i as u32 / 4);
            let e = comptime!(i as u32 % 4);
            let rank = first_rank + comptime!(m as u32 * 16 + (e / 2) * 8) + lane / 4;
            let at_column = column
                + (lane % 4) * comptime!(config.lane_columns())
                + comptime!(config.column_of(((e % 2) * 4 + tile) as usize));
            if rank < ranks && at_column < extent.q {
                let mut at = at_column * ranks + rank;
                if comptime!(config.rows()) {
                    at = rank * extent.q + at_column;
                }
                d_right[(partial + at) as usize] = acc[m * 16 + i];
            }
        }
    }
}

/// Sums the lanes' <G, V> of 16 rows over the cube's columns.
#[cube]
fn store_row_dots(
    lane_dots: &Array<f32>,
    shared: &mut SharedMemory<Vector<f32, Const<4>>>,
    dots: &mut Array<f32>,
    row: u32,
    cube_x: u32,
    extent: &Extent,
) {
    let warp = UNIT_POS / 32;
    let lane = UNIT_POS % 32;
    // A vector holds both rows of a lane: [g][warp][t].
    let mut pair = Vector::<f32, Const<4>>::new(0.0f32);
    pair[0] = lane_dots[0];
    pair[1] = lane_dots[1];
    shared[((lane / 4) * 32 + warp * 4 + lane % 4) as usize] = pair;
    sync_cube();
    if UNIT_POS < 8 {
        let mut sum = shared[(UNIT_POS * 32) as usize];
        for i in 1..32u32 {
            sum += shared[(UNIT_POS * 32 + i) as usize];
        }
        #[unroll]
        for h in 0..2usize {
            let at_row = row + UNIT_POS * 2 + h as u32;
            if at_row < extent.p {
                dots[(cube_x * extent.p + at_row) as usize] = sum[h];
            }
        }
    }
}

/// Sums the lanes' <G, V> of the cube's columns over its rows.
#[cube]
fn store_column_dots(
    lane_dots: &Array<f32>,
    shared: &mut SharedMemory<Vector<f32, Const<4>>>,
    dots: &mut Array<f32>,
    first_column: u32,
    extent: &Extent,
    #[comptime] config: Config,
) {
    let warp = UNIT_POS / 32;
    let lane = UNIT_POS % 32;
    // [four columns][g].
    #[unroll]
    for half in 0..2usize {
        let mut four = Vector::<f32, Const<4>>::empty();
        #[unroll]
        for e in 0..4usize {
            four[e] = lane_dots[half * 4 + e];
        }
        let run = comptime!((half as u32) * config.column_of(4) / 4);
        let group = warp * 8 + (lane % 4) * comptime!(config.lane_columns() / 4) + run;
        shared[(group * 8 + lane / 4) as usize] = four;
    }
    sync_cube();
    if UNIT_POS < 64 {
        let mut sum = shared[(UNIT_POS * 8) as usize];
        #[unroll]
        for i in 1..8u32 {
            sum += shared[(UNIT_POS * 8 + i) as usize];
        }
        #[unroll]
        for e in 0..4usize {
            let at_column = first_column + UNIT_POS * 4 + e as u32;
            if at_column < extent.q {
                dots[(CUBE_POS_Y * extent.q + at_column) as usize] = sum[e];
            }
        }
    }
}

/// Sums the partials of both factors' gradients, times s, and m's.
#[cube(launch_unchecked)]
pub(super) fn finish<A: Float>(
    left: &Array<f32>,
    right: &Array<f32>,
    dots: &Array<f32>,
    norm: &Array<f32>,
    d_left: &mut Array<A>,
    d_right: &mut Array<A>,
    d_magnitude: &mut Array<f32>,
    scaling: f32,
    eps: f32,
    left_splits: u32,
    right_splits: u32,
    dot_splits: u32,
) {
    let at = ABSOLUTE_POS;
    let lefts = d_left.len();
    let rights = d_right.len();
    if at < lefts {
        d_left[at] = A::cast_from(sum_partials(left, at, lefts, left_splits) * scaling);
    } else if at < lefts + rights {
        let at = at - lefts;
        d_right[at] = A::cast_from(sum_partials(right, at, rights, right_splits) * scaling);
    } else if at < lefts + rights + norm.len() {
        let channel = at - lefts - rights;
        let dot = sum_partials(dots, channel, norm.len(), dot_splits);
        let denominator = norm[channel] + eps;
        d_magnitude[channel] = select(denominator == 0.0f32, 0.0f32, dot / denominator);
    }
}
