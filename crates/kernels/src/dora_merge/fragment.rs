//! The matrix instruction and, where there is none, the same sums by plain
//! arithmetic.

use cubecl::cmma::MmaDefinition;
use cubecl::prelude::*;

use super::config::MatrixProducts;
use super::operand::Operand;

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
    #[comptime] operands: (Operand, Operand),
    #[comptime] products: MatrixProducts,
) {
    if comptime!(products == MatrixProducts::Units) {
        multiply_units(a, b, acc, scratch, start, tiles);
    } else {
        multiply_tensor_cores(a, b, acc, start, tiles, operands);
    }
}

/// Nothing is read from memory earlier than this.
#[cube]
pub(super) fn pace(#[comptime] products: MatrixProducts) {
    if comptime!(products == MatrixProducts::TensorCores) {
        sync_plane();
    }
}

/// An element of an operand, and of the accumulator.
type One = Vector<tf32, Const<1>>;
type Pair = Vector<f32, Const<2>>;

#[cube]
fn multiply_tensor_cores(
    a: &Array<f32>,
    b: &Array<f32>,
    acc: &mut Array<f32>,
    #[comptime] start: usize,
    #[comptime] tiles: usize,
    #[comptime] operands: (Operand, Operand),
) {
    let of_a = comptime!(operands.0);
    let of_b = comptime!(operands.1);
    let mut a_high = Array::<One>::new(4usize);
    let mut a_low = Array::<One>::new(4usize);
    to_tf32(a, &mut a_high, &mut a_low, 4usize, of_a);
    let mut b_high = Array::<One>::new(comptime!(tiles * 2));
    let mut b_low = Array::<One>::new(comptime!(tiles * 2));
    to_tf32(b, &mut b_high, &mut b_low, comptime!(tiles * 2), of_b);
    let mut sums = Array::<Pair>::new(comptime!(tiles * 2));
    #[unroll]
    for i in 0..comptime!(tiles * 2) {
        let mut pair = Pair::empty();
        pair[0] = acc[start + i * 2];
        pair[1] = acc[start + i * 2 + 1];
        sums[i] = pair;
    }
    // The small terms first; low times low is below f32's last bit. All tiles
    // between two products of one, so that none waits for the last.
    if comptime!(of_a == Operand::Split) {
        execute_all(&a_low, &b_high, &mut sums, tiles);
    }
    if comptime!(of_b == Operand::Split) {
        execute_all(&a_high, &b_low, &mut sums, tiles);
    }
    execute_all(&a_high, &b_high, &mut sums, tiles);
    #[unroll]
    for i in 0..comptime!(tiles * 2) {
        acc[start + i * 2] = sums[i][0];
        acc[start + i * 2 + 1] = sums[i][1];
    }
}

/// By integer arithmetic: the conversion instruction is four times as long. The
/// matrix instruction ignores the bits of `low` that tf32 has no place for.
#[cube]
fn to_tf32(
    values: &Array<f32>,
    high: &mut Array<One>,
    low: &mut Array<One>,
    #[comptime] count: usize,
    #[comptime] operand: Operand,
) {
    #[unroll]
    for i in 0..count {
        let value = values[i];
        if comptime!(operand == Operand::Exact) {
            high[i] = One::reinterpret(value);
        } else {
            let bits = (u32::reinterpret(value) + 0x1000u32) & 0xffff_e000u32;
            high[i] = One::reinterpret(bits);
            if comptime!(operand == Operand::Split) {
                low[i] = One::reinterpret(value - f32::reinterpret(bits));
            }
        }
    }
}

#[cube]
fn execute_all(a: &Array<One>, b: &Array<One>, sums: &mut Array<Pair>, #[comptime] tiles: usize) {
    let instruction = MmaDefinition::<tf32, tf32, f32>::new(16usize, 8usize, 8usize);
    #[unroll]
    for tile in 0..tiles {
        let mut own_b = Array::<One>::new(2usize);
        let mut own = Array::<Pair>::new(2usize);
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
