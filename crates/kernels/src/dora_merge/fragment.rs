//! The matrix instruction and, where there is none, the same sums by plain
//! arithmetic.

use cubecl::cmma::{MatrixIdent, MmaDefinition};
use cubecl::prelude::*;

use super::config::{Config, MatrixProducts};

/// `acc += a · b` for `tiles` products of 16x8 by 8x8 that share `a`.
///
/// Lane `4g + t` gives `a`: (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4); for
/// each product two of `b`: (t, g), (t + 4, g); and holds four of `acc`:
/// (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1), from `acc[start]` on.
///
/// Every unit of the cube must take part.
#[cube]
pub(super) fn multiply(
    a: &Array<f32>,
    b: &Array<f32>,
    acc: &mut Array<f32>,
    scratch: &mut SharedMemory<f32>,
    #[comptime] start: usize,
    #[comptime] tiles: usize,
    #[comptime] config: Config,
) {
    if comptime!(config.products == MatrixProducts::Units) {
        multiply_units(a, b, acc, scratch, start, tiles);
    } else {
        let split = comptime!(config.products == MatrixProducts::SplitTf32);
        multiply_tensor_cores(a, b, acc, start, tiles, split);
    }
}

#[cube]
fn multiply_tensor_cores(
    a: &Array<f32>,
    b: &Array<f32>,
    acc: &mut Array<f32>,
    #[comptime] start: usize,
    #[comptime] tiles: usize,
    #[comptime] split: bool,
) {
    let instruction = MmaDefinition::<tf32, tf32, f32>::new(16usize, 8usize, 8usize);
    let size!(NA) = instruction.vector_size(MatrixIdent::A);
    let size!(NB) = instruction.vector_size(MatrixIdent::B);
    let size!(NC) = instruction.vector_size(MatrixIdent::Accumulator);

    let mut a_high = Array::<Vector<tf32, NA>>::new(4usize);
    let mut a_low = Array::<Vector<tf32, NA>>::new(4usize);
    #[unroll]
    for i in 0..4usize {
        let value = Vector::<f32, NA>::new(a[i]);
        let high = Vector::<tf32, NA>::cast_from(value);
        a_high[i] = high;
        if comptime!(split) {
            let rest = value - Vector::<f32, NA>::cast_from(high);
            a_low[i] = Vector::<tf32, NA>::cast_from(rest);
        }
    }
    let mut b_high = Array::<Vector<tf32, NB>>::new(comptime!(tiles * 2));
    let mut b_low = Array::<Vector<tf32, NB>>::new(comptime!(tiles * 2));
    #[unroll]
    for i in 0..comptime!(tiles * 2) {
        let value = Vector::<f32, NB>::new(b[i]);
        let high = Vector::<tf32, NB>::cast_from(value);
        b_high[i] = high;
        if comptime!(split) {
            let rest = value - Vector::<f32, NB>::cast_from(high);
            b_low[i] = Vector::<tf32, NB>::cast_from(rest);
        }
    }
    let mut sums = Array::<Vector<f32, NC>>::new(comptime!(tiles * 2));
    #[unroll]
    for i in 0..comptime!(tiles * 2) {
        let mut pair = Vector::<f32, NC>::empty();
        pair[0] = acc[start + i * 2];
        pair[1] = acc[start + i * 2 + 1];
        sums[i] = pair;
    }
    // All tiles between two products of one, so that none waits for the last.
    if comptime!(split) {
        // The small terms first; low times low is below f32's last bit.
        execute_all(&a_low, &b_high, &mut sums, tiles);
        execute_all(&a_high, &b_low, &mut sums, tiles);
    }
    execute_all(&a_high, &b_high, &mut sums, tiles);
    #[unroll]
    for i in 0..comptime!(tiles * 2) {
        acc[start + i * 2] = sums[i][0];
        acc[start + i * 2 + 1] = sums[i][1];
    }
}

#[cube]
fn execute_all<NA: Size, NB: Size, NC: Size>(
    a: &Array<Vector<tf32, NA>>,
    b: &Array<Vector<tf32, NB>>,
    sums: &mut Array<Vector<f32, NC>>,
    #[comptime] tiles: usize,
) {
    let instruction = MmaDefinition::<tf32, tf32, f32>::new(16usize, 8usize, 8usize);
    #[unroll]
    for tile in 0..tiles {
        let mut own_b = Array::<Vector<tf32, NB>>::new(2usize);
        let mut own = Array::<Vector<f32, NC>>::new(2usize);
        #[unroll]
        for i in 0..2usize {
            own_b[i] = b[tile * 2 + i];
            own[i] = sums[tile * 2 + i];
        }
        instruction.execute_inplace(a, &own_b, &mut own);
        #[unroll]
        for i in 0..2usize {
            sums[tile * 2 + i] = own[i];
        }
    }
}

#[cube]
fn multiply_units(
    a: &Array<f32>,
    b: &Array<f32>,
    acc: &mut Array<f32>,
    scratch: &mut SharedMemory<f32>,
    #[comptime] start: usize,
    #[comptime] tiles: usize,
) {
    let unit = UNIT_POS as usize;
    let lane = unit % 32;
    let warp = unit - lane;
    let g = lane / 4;
    let t = lane % 4;
    // Loops stay loops: this is for devices that would compile them for long.
    for tile in 0..tiles {
        #[unroll]
        for i in 0..4usize {
            scratch[unit * 6 + i] = a[i];
        }
        #[unroll]
        for i in 0..2usize {
            scratch[unit * 6 + 4 + i] = b[tile * 2 + i];
        }
        sync_cube();
        for k in 0..8usize {
            let from_a = (warp + g * 4 + k % 4) * 6 + (k / 4) * 2;
            #[unroll]
            for column in 0..2usize {
                let from_b = (warp + (t * 2 + column) * 4 + k % 4) * 6 + 4 + k / 4;
                let right = scratch[from_b];
                let upper = start + tile * 4 + column;
                acc[upper] = fma(scratch[from_a], right, acc[upper]);
                acc[upper + 2] = fma(scratch[from_a + 1], right, acc[upper + 2]);
            }
        }
        sync_cube();
    }
}
