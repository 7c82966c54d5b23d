//! Elements as numbers on a line, so that a distance in units in the last place
//! is a difference of integers.

use crate::dtype::Dtype;

/// The element's rank among the values of its type, both zeros being 0; nothing
/// for a NaN. For integers, the integer.
pub(crate) fn rank(dtype: Dtype, element: &[u8]) -> Option<i128> {
    let bits = bits(element);
    let float = |width: u32, infinity: u64| {
        let sign = 1_u64 << (width - 1);
        let magnitude = bits & (sign - 1);
        let signed = i128::from(magnitude) * if bits & sign == 0 { 1 } else { -1 };
        (magnitude <= infinity).then_some(signed)
    };
    match dtype {
        Dtype::F64 => float(64, 0x7ff0_0000_0000_0000),
        Dtype::F32 => float(32, 0x7f80_0000),
        Dtype::F16 => float(16, 0x7c00),
        Dtype::Bf16 => float(16, 0x7f80),
        Dtype::Unsigned(_) => Some(i128::from(bits)),
        Dtype::Signed(_) => Some(i128::from(sign_extend(bits, element.len()))),
    }
}

/// The distance of two ranks.
pub(crate) fn distance(left: i128, right: i128) -> u64 {
    u64::try_from(left.abs_diff(right)).unwrap_or(u64::MAX)
}

/// The element for a reader: the shortest decimal that means it, and for floats
/// the bits too.
pub(crate) fn show(dtype: Dtype, element: &[u8]) -> String {
    let bits = bits(element);
    match dtype {
        Dtype::F64 => format!("{:?} (0x{bits:016x})", f64::from_bits(bits)),
        Dtype::F32 => format!("{:?} (0x{bits:08x})", f32::from_bits(bits as u32)),
        Dtype::Bf16 => format!("{:?} (0x{bits:04x})", f32::from_bits((bits as u32) << 16)),
        Dtype::F16 => format!("{:?} (0x{bits:04x})", half(bits as u16)),
        Dtype::Unsigned(_) => bits.to_string(),
        Dtype::Signed(_) => sign_extend(bits, element.len()).to_string(),
    }
}

/// An IEEE binary16 as f32, exactly.
fn half(bits: u16) -> f32 {
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits) & 0x3ff;
    let magnitude = match exponent {
        // Subnormal: a multiple of 2^-24.
        0 => fraction as f32 / (1_u32 << 24) as f32,
        0x1f => f32::from_bits(0x7f80_0000 | (fraction << 13)),
        _ => f32::from_bits(((exponent + 112) << 23) | (fraction << 13)),
    };
    if bits >> 15 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

fn bits(element: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..element.len()].copy_from_slice(element);
    u64::from_le_bytes(word)
}

fn sign_extend(bits: u64, size: usize) -> i64 {
    let shift = 64 - 8 * size as u32;
    ((bits << shift) as i64) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_across_zero_is_wrong() {
        let rank = |x: f32| rank(Dtype::F32, &x.to_le_bytes()).expect("no NaN");
        assert_eq!(rank(0.0), rank(-0.0));
        assert_eq!(
            distance(rank(f32::from_bits(1)), rank(-f32::from_bits(1))),
            2
        );
        assert_eq!(distance(rank(1.0), rank(1.0_f32.next_up())), 1);
        assert_eq!(distance(rank(f32::MAX), rank(f32::INFINITY)), 1);
    }

    #[test]
    fn nan_has_a_rank() {
        assert_eq!(rank(Dtype::F64, &f64::NAN.to_le_bytes()), None);
        assert_eq!(rank(Dtype::F32, &f32::NAN.to_le_bytes()), None);
        assert_eq!(rank(Dtype::F16, &0xfe00_u16.to_le_bytes()), None);
        assert_eq!(rank(Dtype::Bf16, &0x7fc0_u16.to_le_bytes()), None);
        assert_eq!(rank(Dtype::F16, &0x7c00_u16.to_le_bytes()), Some(0x7c00));
    }

    #[test]
    fn widest_distance_overflows() {
        let rank = |x: i64| rank(Dtype::Signed(8), &x.to_le_bytes()).expect("an integer");
        assert_eq!(distance(rank(i64::MIN), rank(i64::MAX)), u64::MAX);
        assert_eq!(
            distance(i128::from(i64::MIN), i128::from(u64::MAX)),
            u64::MAX
        );
        assert_eq!(rank(-1), -1);
    }

    // Values of the table in IEEE 754's binary16 article: 0x3555 is 0.33325195.
    #[test]
    fn half_is_read_wrongly() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 2.0_f32.powi(-24)),
            (0x03ff, 1023.0 * 2.0_f32.powi(-24)),
            (0x0400, 2.0_f32.powi(-14)),
            (0x3555, 0.333_251_95),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "0x{bits:04x}");
        }
        assert!(half(0x8000).is_sign_negative() && half(0x7e01).is_nan());
    }

    #[test]
    fn shown_value_is_another() {
        assert_eq!(show(Dtype::Signed(2), &(-7_i16).to_le_bytes()), "-7");
        assert_eq!(show(Dtype::Unsigned(1), &[255]), "255");
        assert_eq!(show(Dtype::F32, &0.1_f32.to_le_bytes()), "0.1 (0x3dcccccd)");
        assert_eq!(
            show(Dtype::Bf16, &0xbf80_u16.to_le_bytes()),
            "-1.0 (0xbf80)"
        );
        assert_eq!(
            show(Dtype::F64, &(-0.0_f64).to_le_bytes()),
            "-0.0 (0x8000000000000000)"
        );
    }
}
