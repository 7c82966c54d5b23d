// `#[cube]` makes public items without documentation beside each documented one.
#![allow(missing_docs)]

use cubecl::prelude::*;

/// A mask's parameters inside a kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct MaskArgs {
    /// Low word of the Philox key.
    pub key_low: u32,
    /// High word of the Philox key.
    pub key_high: u32,
    /// Counter word 2.
    pub upper_low: u32,
    /// Counter word 3.
    pub upper_high: u32,
    /// Words under it mean "dropped".
    pub threshold: u32,
    /// The factor of an element that is not dropped.
    pub kept: f32,
}

/// The factors of the elements `4 * block .. 4 * block + 4`, where `block` is
/// `block_high * 2^32 + block_low`.
#[cube]
pub fn mask_four(mask: &MaskArgs, block_low: u32, block_high: u32) -> Vector<f32, Const<4>> {
    let words = philox(mask, block_low, block_high);
    let mut factors = Vector::<f32, Const<4>>::empty();
    #[unroll]
    for lane in 0..4 {
        factors[lane] = select(words[lane] < mask.threshold, 0.0f32, mask.kept);
    }
    factors
}

/// The factor of element `index_high * 2^32 + index_low`. It computes a whole
/// block of four: where neighbours are wanted too, [`mask_four()`] costs the same.
#[cube]
pub fn mask_at(mask: &MaskArgs, index_low: u32, index_high: u32) -> f32 {
    let block_low = (index_low >> 2u32) | (index_high << 30u32);
    let words = philox(mask, block_low, index_high >> 2u32);
    let lane = index_low & 3u32;
    let lower = select(lane == 0u32, words[0], words[1]);
    let upper = select(lane == 2u32, words[2], words[3]);
    let word = select(lane < 2u32, lower, upper);
    select(word < mask.threshold, 0.0f32, mask.kept)
}

#[cube]
fn philox(mask: &MaskArgs, block_low: u32, block_high: u32) -> Vector<u32, Const<4>> {
    let mut c0 = block_low;
    let mut c1 = block_high;
    let mut c2 = mask.upper_low;
    let mut c3 = mask.upper_high;
    let mut k0 = mask.key_low;
    let mut k1 = mask.key_high;
    #[unroll]
    for _ in 0..10 {
        let high0 = c0.mul_hi(0xD251_1F53u32);
        let low0 = c0 * 0xD251_1F53u32;
        let high1 = c2.mul_hi(0xCD9E_8D57u32);
        let low1 = c2 * 0xCD9E_8D57u32;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E37_79B9u32;
        k1 += 0xBB67_AE85u32;
    }
    let mut words = Vector::<u32, Const<4>>::empty();
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
    words
}

/// One unit a block of four; `output` holds whole blocks.
#[cube(launch_unchecked)]
pub(super) fn write_mask(output: &mut Array<Vector<f32, Const<4>>>, mask: MaskArgs) {
    if ABSOLUTE_POS < output.len() {
        output[ABSOLUTE_POS] = mask_four(&mask, ABSOLUTE_POS as u32, 0u32);
    }
}

/// One unit a block of four, as one vector (`N` is 4) or as up to four elements
/// (`N` is 1).
#[cube(launch_unchecked)]
pub(super) fn apply_mask<T: Float, N: Size>(
    x: &Array<Vector<T, N>>,
    output: &mut Array<Vector<T, N>>,
    mask: MaskArgs,
    #[define(T)] _dtype: StorageType,
) {
    let width = N::value();
    let per_block = comptime!(4 / width);
    let first = ABSOLUTE_POS * per_block;
    if first < output.len() {
        let factors = mask_four(&mask, ABSOLUTE_POS as u32, 0u32);
        if comptime!(per_block == 1) {
            let product = Vector::<f32, N>::cast_from(x[first]) * Vector::cast_from(factors);
            output[first] = Vector::cast_from(product);
        } else {
            #[unroll]
            for lane in 0..4 {
                let index = first + lane;
                if index < output.len() {
                    let factor = Vector::<f32, N>::new(factors[lane]);
                    output[index] =
                        Vector::cast_from(Vector::<f32, N>::cast_from(x[index]) * factor);
                }
            }
        }
    }
}
