//! Elementary functions of f32 as straight arithmetic, which the compiler turns into vector
//! instructions; the C library's are calls for one number at a time.
//!
//! Coefficients: Moshier, Cephes mathematical library, `single/expf.c` and `single/ndtrf.c`.
#![allow(clippy::excessive_precision, reason = "as they were published")]
#![expect(
    clippy::redundant_closure,
    reason = "a function in its place would be compiled without the machine's vector instructions"
)]

use std::f32::consts::FRAC_1_SQRT_2;

use crate::Activation;

/// 1 / sqrt(2 pi).
const DENSITY: f32 = 0.398_942_280_401_432_7;

/// e^x to about one unit in the last place; 0 below -87.3, where f32 leaves its normal range, and
/// infinity above 88.3.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LOWEST: f32 = -87.3;
    const HIGHEST: f32 = 88.3;
    /// 1.5 * 2^23: adding it rounds to an integer, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts; the first has 9 bits, so that its multiples are exact.
    const LN2_HIGH: f32 = 0.693_359_375;
    const LN2_LOW: f32 = -2.121_944_400_546_905_83e-4;

    let inside = if x < LOWEST { LOWEST } else { x };
    let inside = if inside > HIGHEST { HIGHEST } else { inside };
    let shifted = inside * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = inside - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_150_0e-4;
    p = p * r + 1.398_199_950_7e-3;
    p = p * r + 8.333_451_907_3e-3;
    p = p * r + 4.166_579_589_4e-2;
    p = p * r + 1.666_666_545_9e-1;
    p = p * r + 5.000_000_120_1e-1;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    let y = (p * (r * r) + r + 1.0) * power;
    let y = if x < LOWEST { 0.0 } else { y };
    // NaN has gone through as NaN.
    if x > HIGHEST { f32::INFINITY } else { y }
}

/// [`cumulative`] for |x| / sqrt 2 below 1.
const BELOW_ONE: u8 = 1;
/// [`cumulative`] for |x| / sqrt 2 below 2.
const BELOW_TWO: u8 = 2;
/// [`cumulative`] for every x.
const ANY: u8 = 3;

/// (1 + erf(x / sqrt 2)) / 2, the normal distribution's share below x, given exp(-x²/2). Where it
/// is known that x is in `RANGE`, what is for others is left out: the bits are the same.
#[inline(always)]
fn cumulative<const RANGE: u8>(x: f32, exp: f32) -> f32 {
    let z = x * FRAC_1_SQRT_2;
    let size = z.abs();
    let square = z * z;

    // erf(z) = z T(z²) below 1.
    let mut t = 7.853_861_353_153_693e-5;
    t = t * square - 8.010_193_625_184_903e-4;
    t = t * square + 5.188_327_685_732_524e-3;
    t = t * square - 2.685_381_193_529_856e-2;
    t = t * square + 1.128_358_514_861_418e-1;
    t = t * square - 3.761_262_582_423_300e-1;
    t = t * square + 1.128_379_165_726_710;
    let inner = 0.5 + 0.5 * (z * t);
    if RANGE == BELOW_ONE {
        return inner;
    }

    // erfc(z) = exp(-z²)/z P(1/z²) up to 2, R(1/z²) above.
    let inverse = 1.0 / size;
    let y = inverse * inverse;
    let mut p = 2.326_819_970_068_386e-2;
    p = p * y - 1.387_039_388_740_657e-1;
    p = p * y + 3.687_424_674_597_105e-1;
    p = p * y - 5.824_733_027_278_666e-1;
    p = p * y + 6.210_004_621_745_983e-1;
    p = p * y - 4.944_515_323_274_145e-1;
    p = p * y + 3.404_879_937_665_872e-1;
    p = p * y - 2.741_127_028_184_656e-1;
    p = p * y + 5.638_259_427_386_472e-1;
    let mut r = -1.047_766_399_936_249e1;
    r = r * y + 1.297_719_955_372_516e1;
    r = r * y - 7.495_518_717_768_503;
    r = r * y + 2.921_019_019_210_786;
    r = r * y - 1.015_265_279_202_700;
    r = r * y + 4.218_463_358_204_948e-1;
    r = r * y - 2.820_767_439_740_514e-1;
    r = r * y + 5.641_895_067_754_075e-1;
    let near = RANGE == BELOW_TWO || size < 2.0;
    let tail = exp * inverse * if near { p } else { r };

    // The smaller of both tails is exact, and 1 less it nearly.
    let outer = if z < 0.0 {
        0.5 * tail
    } else {
        1.0 - 0.5 * tail
    };
    if size < 1.0 { inner } else { outer }
}

/// Calls one of three functions on each block of `list`, by the largest |x| / sqrt 2 in it.
#[inline(always)]
fn by_range(
    list: &mut [f32],
    below_one: impl Fn(f32) -> f32,
    below_two: impl Fn(f32) -> f32,
    any: impl Fn(f32) -> f32,
) {
    const BLOCK: usize = 16;
    let mut blocks = list.chunks_exact_mut(BLOCK);
    for block in &mut blocks {
        // Not a number is not below.
        let below = |most: f32| {
            let mut all = true;
            for x in block.iter() {
                all &= (x * FRAC_1_SQRT_2).abs() < most;
            }
            all
        };
        if below(1.0) {
            for x in block {
                *x = below_one(*x);
            }
        } else if below(2.0) {
            for x in block {
                *x = below_two(*x);
            }
        } else {
            for x in block {
                *x = any(*x);
            }
        }
    }
    for x in blocks.into_remainder() {
        *x = any(*x);
    }
}

#[inline(always)]
fn bell(x: f32) -> f32 {
    exp(x * x * -0.5)
}

/// x Phi(x).
#[inline(always)]
fn gelu_of<const RANGE: u8>(x: f32) -> f32 {
    x * cumulative::<RANGE>(x, bell(x))
}

/// Its derivative, Phi(x) + x phi(x).
#[inline(always)]
fn gelu_slope_of<const RANGE: u8>(x: f32) -> f32 {
    let exp = bell(x);
    cumulative::<RANGE>(x, exp) + x * (exp * DENSITY)
}

/// x Phi(x) of each x.
#[inline(always)]
fn gelu(list: &mut [f32]) {
    by_range(
        list,
        gelu_of::<BELOW_ONE>,
        gelu_of::<BELOW_TWO>,
        gelu_of::<ANY>,
    );
}

/// Its derivative at each x, Phi(x) + x phi(x).
#[inline(always)]
fn gelu_slope(list: &mut [f32]) {
    by_range(
        list,
        #[inline(always)]
        |x| gelu_slope_of::<BELOW_ONE>(x),
        #[inline(always)]
        |x| gelu_slope_of::<BELOW_TWO>(x),
        #[inline(always)]
        |x| gelu_slope_of::<ANY>(x),
    );
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// x sigmoid(1.702 x) of each x.
#[inline(always)]
fn quick_gelu(list: &mut [f32]) {
    for x in list {
        *x *= sigmoid(1.702 * *x);
    }
}

/// Its derivative at each x.
#[inline(always)]
fn quick_gelu_slope(list: &mut [f32]) {
    for x in list {
        let s = sigmoid(1.702 * *x);
        *x = s + 1.702 * *x * s * (1.0 - s);
    }
}

/// The activation of each x.
#[inline(always)]
pub(super) fn activate(activation: Activation, list: &mut [f32]) {
    match activation {
        Activation::Gelu => gelu(list),
        Activation::QuickGelu => quick_gelu(list),
    }
}

/// Its derivative at each x.
#[inline(always)]
pub(super) fn slope(activation: Activation, list: &mut [f32]) {
    match activation {
        Activation::Gelu => gelu_slope(list),
        Activation::QuickGelu => quick_gelu_slope(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 97th f32 of both signs up to `most`.
    fn numbers(most: f32) -> impl Iterator<Item = f32> {
        (0..most.to_bits())
            .step_by(9_973)
            .flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)])
    }

    /// `f` of a list of one number.
    fn one(f: impl Fn(&mut [f32])) -> impl Fn(f32) -> f32 {
        move |x| {
            let mut list = [x];
            f(&mut list);
            list[0]
        }
    }

    fn worst(most: f32, f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, floor: f64) -> f64 {
        numbers(most)
            .map(|x| {
                let exact = exact(f64::from(x));
                (f64::from(f(x)) - exact).abs() / exact.abs().max(floor)
            })
            .fold(0.0, f64::max)
    }

    const ULP: f64 = f32::EPSILON as f64;

    #[test]
    fn exp_is_off() {
        let found = worst(87.2, exp, f64::exp, 0.0);
        assert!(found < 1.1 * ULP, "{:.2} ulp", found / ULP);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-88.0), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(89.0), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn activation_is_off() {
        let phi = |x: f64| libm::erfc(-x / 2.0_f64.sqrt()) / 2.0;
        let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let s = |x: f64| 1.0 / (1.0 + (-1.702 * x).exp());
        let quick_slope = |x: f64| s(x) + 1.702 * x * s(x) * (1.0 - s(x));
        let close = |name: &str, found: f64| {
            assert!(found < 10.0 * ULP, "{name}: {:.2} ulp", found / ULP);
        };
        // Where a value is below 0.1, its error is measured against that.
        close("gelu", worst(12.0, one(gelu), |x| x * phi(x), 0.1));
        let slope = |x| phi(x) + x * density(x);
        close("gelu_slope", worst(12.0, one(gelu_slope), slope, 0.1));
        let quick = |x| x * s(x);
        close("quick_gelu", worst(40.0, one(quick_gelu), quick, 0.1));
        let found = worst(40.0, one(quick_gelu_slope), quick_slope, 0.1);
        close("quick_gelu_slope", found);
    }

    #[test]
    fn activation_has_no_end() {
        for f in [gelu as fn(&mut [f32]), quick_gelu].map(one) {
            assert_eq!(f(100.0), 100.0);
            assert_eq!(f(-100.0).abs(), 0.0);
            assert_eq!(f(0.0), 0.0);
            assert!(f(f32::NAN).is_nan());
            assert_eq!(f(f32::INFINITY), f32::INFINITY);
        }
        for slope in [gelu_slope as fn(&mut [f32]), quick_gelu_slope].map(one) {
            assert_eq!(slope(100.0), 1.0);
            assert_eq!(slope(-100.0).abs(), 0.0);
            assert!(slope(f32::NAN).is_nan());
        }
    }

    #[test]
    fn neighbours_of_a_number_change_its_bits() {
        // Sorted, so that whole blocks are of one range; and dealt out, so that few are.
        let mut sorted: Vec<f32> = numbers(f32::INFINITY).chain([f32::NAN]).collect();
        sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let count = sorted.len();
        let dealt: Vec<f32> = (0..count).map(|i| sorted[i * 7919 % count]).collect();
        for f in [gelu as fn(&mut [f32]), gelu_slope] {
            for list in [&sorted, &dealt] {
                let mut found = list.clone();
                f(&mut found);
                for (x, found) in list.iter().zip(found) {
                    let alone = one(f)(*x);
                    let same = alone.to_bits() == found.to_bits();
                    assert!(
                        same || alone.is_nan() && found.is_nan(),
                        "{x}: {found}, {alone}"
                    );
                }
            }
        }
    }
}
