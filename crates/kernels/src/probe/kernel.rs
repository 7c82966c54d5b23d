use cubecl::prelude::*;

type Words = Vector<u32, Const<4>>;

#[cube(launch_unchecked)]
pub(super) fn fill_words(target: &mut Array<Words>, word: u32) {
    if ABSOLUTE_POS < target.len() {
        target[ABSOLUTE_POS] = Words::new(word);
    }
}

#[cube(launch_unchecked)]
pub(super) fn copy_words(source: &Array<Words>, target: &mut Array<Words>) {
    if ABSOLUTE_POS < target.len() {
        target[ABSOLUTE_POS] = source[ABSOLUTE_POS];
    }
}

/// A chain of `rounds` dependent multiply-adds, whose result is written so that
/// no compiler leaves it out.
#[cube(launch_unchecked)]
pub(super) fn count_down(result: &mut Array<f32>, rounds: u32, factor: f32) {
    let mut x = factor;
    for _ in 0..rounds {
        x = fma(x, factor, 1.0f32);
    }
    result[0] = x;
}
