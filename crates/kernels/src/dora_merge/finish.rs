//! From the sums of the products to the gradients.
//!
//! With P = G·Aᵀ, Q = W·Aᵀ, u = <G, W> by channel, V = W/b + s·BA, where b is ‖W‖
//! or 1: t = <G, V> = u/b + s·<B, P>, and for the full gradient
//! c = m·t/(n·(n+eps)²), so that dB = s·(g·P - c·(Q/b + s·B·AAᵀ)) with
//! g = m/(n+eps), dA = s·(Y - s·(Bᵀ·diag(c)·B)·A) with Y = Bᵀ·(g·G - c/b·W), and
//! dm = t/(n+eps). No V is needed. Where V is far smaller than W the two terms of t
//! cancel, and so do those of dA and dB: their errors are f32's relative to W, not to
//! V. (The norm is a sum of V² all the same: there, W² would be left of them.)

use cubecl::prelude::*;

use super::forward::{ratio, sum_partials};
use super::product::factor_element;

/// Known when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FinishConfig {
    /// dB, dm and the coefficients; else dA.
    pub channels: bool,
    pub full: bool,
    /// The sums are `[split][x][rank]`; else `[split][rank][x]`.
    pub ranks_last: bool,
    pub normalised_base: bool,
    /// Ranks of one unit.
    pub own: usize,
}

/// Places along the channels or the inputs that a cube finishes.
pub(super) const PLACES: usize = 16;
/// Units of one place.
const LANES: usize = 16;
/// Ranks of the Gram matrix that are in shared memory at a time.
const BLOCK: usize = 32;
/// Units of a cube.
pub(super) const UNITS: usize = PLACES * LANES;

impl FinishConfig {
    pub fn new(
        channels: bool,
        full: bool,
        ranks_last: bool,
        normalised: bool,
        rank: usize,
    ) -> Self {
        Self {
            channels,
            full,
            ranks_last,
            normalised_base: normalised && channels,
            own: rank.div_ceil(LANES).next_power_of_two(),
        }
    }

    fn gram(&self) -> usize {
        if self.full { BLOCK * self.ranks() } else { 1 }
    }

    fn block(&self) -> usize {
        if self.full { PLACES * (BLOCK + 1) } else { 1 }
    }

    fn ranks(&self) -> usize {
        self.own * LANES
    }
}

/// Finishes one of the two factors' gradients. `factor` is B for the channels,
/// else A; `gram` is `[rank, rank]`: AAᵀ, or Bᵀ·diag(c)·B.
#[cube(launch_unchecked)]
pub(super) fn finish<A: Float>(
    sums: &Array<f32>,
    factor: &Array<A>,
    gram: &Array<f32>,
    dots: &Array<f32>,
    magnitude: &Array<f32>,
    norm: &Array<f32>,
    base_norm: &Array<f32>,
    d_factor: &mut Array<A>,
    d_magnitude: &mut Array<f32>,
    coefficients: &mut Array<f32>,
    n: u32,
    rank: u32,
    splits: u32,
    scaling: f32,
    eps: f32,
    #[comptime] config: FinishConfig,
) {
    let mut shares = SharedMemory::<f32>::new(comptime!(UNITS));
    let mut ratios = SharedMemory::<f32>::new(PLACES);
    let mut alongs = SharedMemory::<f32>::new(PLACES);
    let mut bases = SharedMemory::<f32>::new(PLACES);
    let mut some = SharedMemory::<f32>::new(comptime!(config.gram()));
    let mut factors = SharedMemory::<f32>::new(comptime!(config.block()));
    // Neighbouring units read what lies together.
    let mut place = UNIT_POS % comptime!(PLACES as u32);
    let mut lane = UNIT_POS / comptime!(PLACES as u32);
    if comptime!(config.ranks_last) {
        place = UNIT_POS / comptime!(LANES as u32);
        lane = UNIT_POS % comptime!(LANES as u32);
    }
    let x = CUBE_POS_X * comptime!(PLACES as u32) + place;
    let mut first = Array::<f32>::new(config.own);
    let mut second = Array::<f32>::new(config.own);
    sum_splits(sums, &mut first, x, lane, n, rank, splits, 0u32, config);
    if comptime!(config.channels && config.full) {
        sum_splits(sums, &mut second, x, lane, n, rank, splits, splits, config);
    }

    if comptime!(config.channels) {
        let mut share = 0.0f32;
        #[unroll]
        for j in 0..config.own {
            let k = lane + comptime!((j * LANES) as u32);
            share = fma(
                factor_element::<A>(factor, x, k, n, rank, false),
                first[j],
                share,
            );
        }
        shares[(place * comptime!(LANES as u32) + lane) as usize] = share;
        sync_cube();
        if lane == 0 {
            let mut value = 0.0f32;
            let mut along = 0.0f32;
            let mut base = 1.0f32;
            if x < n {
                let at = x as usize;
                let mut update = 0.0f32;
                #[unroll]
                for i in 0..LANES {
                    update += shares[place as usize * LANES + i];
                }
                let mut dot = sum_partials(dots, at, n as usize, splits);
                if comptime!(config.normalised_base) {
                    base = base_norm[at];
                    dot = over(dot, base);
                }
                dot = fma(scaling, update, dot);
                let own = norm[at];
                let denominator = own + eps;
                value = ratio(magnitude[at], own, eps);
                d_magnitude[at] = over(dot, denominator);
                if comptime!(config.full) {
                    along = over(value * dot, own * denominator);
                }
                coefficients[at] = value;
                coefficients[(n + x) as usize] = over(along, base);
                coefficients[(2 * n + x) as usize] = along;
            }
            ratios[place as usize] = value;
            alongs[place as usize] = along;
            bases[place as usize] = base;
        }
        sync_cube();
    }

    let mut update = Array::<f32>::new(config.own);
    #[unroll]
    for j in 0..config.own {
        update[j] = 0.0f32;
    }
    if comptime!(config.full) {
        let ranks_first = comptime!(!config.channels);
        let mut first_rank = 0u32;
        while first_rank < rank {
            sync_cube();
            fill_gram(gram, &mut some, first_rank, rank, config);
            let mut at = UNIT_POS;
            while at < comptime!((PLACES * BLOCK) as u32) {
                // Neighbouring units read what lies together.
                let mut row = at / comptime!(BLOCK as u32);
                let mut column = at % comptime!(BLOCK as u32);
                if comptime!(ranks_first) {
                    row = at % comptime!(PLACES as u32);
                    column = at / comptime!(PLACES as u32);
                }
                let from = CUBE_POS_X * comptime!(PLACES as u32) + row;
                let k = first_rank + column;
                factors[(row * comptime!(BLOCK as u32 + 1) + column) as usize] =
                    factor_element::<A>(factor, from, k, n, rank, ranks_first);
                at += comptime!(UNITS as u32);
            }
            sync_cube();
            for row in 0..comptime!(BLOCK as u32) {
                let value = factors[(place * comptime!(BLOCK as u32 + 1) + row) as usize];
                #[unroll]
                for j in 0..config.own {
                    let at = row * comptime!(config.ranks() as u32)
                        + lane
                        + comptime!((j * LANES) as u32);
                    update[j] = fma(value, some[at as usize], update[j]);
                }
            }
            first_rank += comptime!(BLOCK as u32);
        }
    }

    #[unroll]
    for j in 0..config.own {
        let k = lane + comptime!((j * LANES) as u32);
        if x < n && k < rank {
            let mut value = first[j];
            let mut at = k * n + x;
            if comptime!(config.channels) {
                at = x * rank + k;
                value *= ratios[place as usize];
                if comptime!(config.full) {
                    let mut v = fma(scaling, update[j], second[j]);
                    if comptime!(config.normalised_base) {
                        v = fma(scaling, update[j], over(second[j], bases[place as usize]));
                    }
                    value = fma(-alongs[place as usize], v, value);
                }
            } else if comptime!(config.full) {
                value = fma(-scaling, update[j], value);
            }
            d_factor[at as usize] = A::cast_from(value * scaling);
        }
    }
}

/// The quotient, and 0 for anything over 0: a channel of zeros has no direction.
#[cube]
pub(super) fn over(value: f32, by: f32) -> f32 {
    select(by == 0.0f32, 0.0f32, value / by)
}

/// The sums of `splits` lists from the `begin`-th on, for this unit's ranks.
#[cube]
fn sum_splits(
    sums: &Array<f32>,
    to: &mut Array<f32>,
    x: u32,
    lane: u32,
    n: u32,
    rank: u32,
    splits: u32,
    begin: u32,
    #[comptime] config: FinishConfig,
) {
    let len = n * rank;
    #[unroll]
    for j in 0..config.own {
        let k = lane + comptime!((j * LANES) as u32);
        let mut at = k * n + x;
        if comptime!(config.ranks_last) {
            at = x * rank + k;
        }
        let mut sum = 0.0f32;
        if x < n && k < rank {
            sum = sum_partials(sums, (begin * len + at) as usize, len as usize, splits);
        }
        to[j] = sum;
    }
}

/// Rows of the Gram matrix from `first_rank` on, zeros outside.
#[cube]
fn fill_gram(
    gram: &Array<f32>,
    to: &mut SharedMemory<f32>,
    first_rank: u32,
    rank: u32,
    #[comptime] config: FinishConfig,
) {
    let ranks = comptime!(config.ranks() as u32);
    let mut at = UNIT_POS;
    while at < comptime!((BLOCK * config.ranks()) as u32) {
        let row = first_rank + at / ranks;
        let column = at % ranks;
        let mut value = 0.0f32;
        if row < rank && column < rank {
            value = gram[(row * rank + column) as usize];
        }
        to[at as usize] = value;
        at += comptime!(UNITS as u32);
    }
}

/// The sum of `splits` lists as long as `total`.
#[cube(launch_unchecked)]
pub(super) fn add_splits(sums: &Array<f32>, total: &mut Array<f32>, splits: u32) {
    let at = ABSOLUTE_POS;
    if at < total.len() {
        total[at] = sum_partials(sums, at, total.len(), splits);
    }
}

/// A factor's gradient from the sums of dL/d(B·A) with the other: dB for the
/// `channels`, else dA. `ranks_last` as in [`FinishConfig`].
#[cube(launch_unchecked)]
pub(super) fn scale_splits<A: Float>(
    sums: &Array<f32>,
    d_factor: &mut Array<A>,
    n: u32,
    rank: u32,
    splits: u32,
    scaling: f32,
    #[comptime] channels: bool,
    #[comptime] ranks_last: bool,
) {
    let at = ABSOLUTE_POS;
    if at < d_factor.len() {
        let mut to = at as u32;
        if comptime!(channels && !ranks_last) {
            to = to % n * rank + to / n;
        } else if comptime!(!channels && ranks_last) {
            to = to % rank * n + to / rank;
        }
        let sum = sum_partials(sums, at, d_factor.len(), splits);
        d_factor[to as usize] = A::cast_from(sum * scaling);
    }
}
