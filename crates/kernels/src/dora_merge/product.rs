//! What the products along rows and along columns share.

use cubecl::prelude::*;

use super::tile::Extent;

pub(super) type Four = Vector<f32, Const<4>>;

/// The vector at (`row`, `column`) of a row-major matrix; with `guard` zeros
/// outside.
#[cube]
pub(super) fn load<W: Float, NW: Size>(
    from: &Array<Vector<W, NW>>,
    row: u32,
    column: u32,
    extent: &Extent,
    #[comptime] guard: bool,
) -> Vector<W, NW> {
    let position = (row * extent.q + column) as usize / NW::value();
    let mut values = Vector::<W, NW>::zeroed();
    if comptime!(guard) {
        if row < extent.p && column < extent.q {
            values = from[position];
        }
    } else {
        values = from[position];
    }
    values
}

/// Elements `first..first + count` of a vector, as f32, to `to[start..]`.
#[cube]
pub(super) fn unpack<W: Float, NW: Size>(
    values: Vector<W, NW>,
    to: &mut Array<f32>,
    #[comptime] first: usize,
    #[comptime] start: usize,
    #[comptime] count: usize,
    #[comptime] bf16: bool,
) {
    let width = NW::value();
    if comptime!(bf16 && width == 8) {
        unpack_words::<W, NW, Const<4>>(values, to, first, start, count);
    } else if comptime!(bf16 && width == 4) {
        unpack_words::<W, NW, Const<2>>(values, to, first, start, count);
    } else {
        #[unroll]
        for e in 0..count {
            to[start + e] = f32::cast_from(values[first + e]);
        }
    }
}

/// All of `count` vectors from the `first`-th on, as f32.
#[cube]
pub(super) fn unpack_all<W: Float, NW: Size>(
    from: &Array<Vector<W, NW>>,
    to: &mut Array<f32>,
    #[comptime] first: usize,
    #[comptime] count: usize,
    #[comptime] bf16: bool,
) {
    let width = NW::value();
    #[unroll]
    for v in 0..count {
        let start = comptime!(v * width);
        unpack::<W, NW>(from[first + v], to, 0usize, start, width, bf16);
    }
}

/// bfloat16 is the upper half of f32: one instruction an element.
#[cube]
fn unpack_words<W: Float, NW: Size, NU: Size>(
    values: Vector<W, NW>,
    to: &mut Array<f32>,
    #[comptime] first: usize,
    #[comptime] start: usize,
    #[comptime] count: usize,
) {
    let words = Vector::<u32, NU>::reinterpret(values);
    #[unroll]
    for e in 0..count {
        let word = words[comptime!((first + e) / 2)];
        if comptime!((first + e).is_multiple_of(2)) {
            to[start + e] = f32::reinterpret(word << 16u32);
        } else {
            to[start + e] = f32::reinterpret(word & 0xffff_0000u32);
        }
    }
}

/// A factor at place `x` of `n` and rank `k`, 0 outside.
#[cube]
pub(super) fn factor_element<A: Float>(
    factor: &Array<A>,
    x: u32,
    k: u32,
    n: u32,
    rank: u32,
    #[comptime] ranks_first: bool,
) -> f32 {
    let mut at = x * rank + k;
    if comptime!(ranks_first) {
        at = k * n + x;
    }
    let mut value = 0.0f32;
    if x < n && k < rank {
        value = f32::cast_from(factor[at as usize]);
    }
    value
}

/// Four places from `x` on by four ranks from `k` on of a factor, as
/// `[rank][place]`, 0 outside.
#[cube]
pub(super) fn factor_block<A: Float, NF: Size>(
    factor: &Array<Vector<A, NF>>,
    to: &mut Array<f32>,
    x: u32,
    k: u32,
    n: u32,
    rank: u32,
    #[comptime] ranks_first: bool,
) {
    let width = NF::value();
    #[unroll]
    for line in 0..4usize {
        #[unroll]
        for v in 0..comptime!(4 / width) {
            let along = comptime!((v * width) as u32);
            let mut at_x = x + line as u32;
            let mut at_k = k + along;
            let mut at = at_x * rank + at_k;
            if comptime!(ranks_first) {
                at_x = x + along;
                at_k = k + line as u32;
                at = at_k * n + at_x;
            }
            let mut values = Vector::<A, NF>::zeroed();
            if at_x < n && at_k < rank {
                values = factor[at as usize / width];
            }
            #[unroll]
            for e in 0..width {
                let own = comptime!(v * width + e);
                let slot = comptime!(if ranks_first {
                    line * 4 + own
                } else {
                    own * 4 + line
                });
                to[slot] = f32::cast_from(values[e]);
            }
        }
    }
}
