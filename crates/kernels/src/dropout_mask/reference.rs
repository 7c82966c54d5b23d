//! The mask in plain host code.

use super::MaskParams;

/// Elements `first..first + len` of the mask.
pub fn dropout_mask(params: &MaskParams, first: u64, len: usize) -> Vec<f32> {
    (first..first + len as u64)
        .map(|index| {
            let block = index / 4;
            let counter = [
                block as u32,
                (block >> 32) as u32,
                params.upper[0],
                params.upper[1],
            ];
            let word = philox4x32(params.key, counter)[(index % 4) as usize];
            if word < params.threshold {
                0.0
            } else {
                params.kept
            }
        })
        .collect()
}

/// `x` times the mask in f32: [`dropout_apply`](super::dropout_apply) before it
/// rounds to the storage type.
pub fn dropout_apply(params: &MaskParams, x: &[f32]) -> Vec<f32> {
    dropout_mask(params, 0, x.len())
        .into_iter()
        .zip(x)
        .map(|(factor, x)| x * factor)
        .collect()
}

/// Philox4x32 with 10 rounds (Salmon, Moraes, Dror, Shaw, SC11, 2011), with the
/// constants of the Random123 library.
pub fn philox4x32(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let [mut k0, mut k1] = key;
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    for _ in 0..10 {
        let p0 = 0xD251_1F53_u64 * u64::from(c0);
        let p1 = 0xCD9E_8D57_u64 * u64::from(c2);
        (c0, c1, c2, c3) = (
            (p1 >> 32) as u32 ^ c1 ^ k0,
            p1 as u32,
            (p0 >> 32) as u32 ^ c3 ^ k1,
            p0 as u32,
        );
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use dacapo_rng::DropoutKey;

    use super::*;

    // Random123, `tests/kat_vectors`, `philox4x32 10`.
    #[test]
    fn a_published_vector_is_missed() {
        assert_eq!(
            philox4x32([0; 2], [0; 4]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32([u32::MAX; 2], [u32::MAX; 4]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32(
                [0xa409_3822, 0x299f_31d0],
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn mask_differs_from_the_hubs() {
        let key = DropoutKey::new(7, "dropout", 3, 1).layer("blocks.0.mlp");
        let smallest_above_one = 1.0 - f64::EPSILON / 2.0;
        for rate in [0.0, 1e-12, 0.1, 0.5, 0.999_999, smallest_above_one] {
            let params = MaskParams::new(key.philox_key(), key.upper_counter(), rate).unwrap();
            let bits = |mask: Vec<f32>| mask.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            assert_eq!(
                bits(dropout_mask(&params, 0, 1001)),
                bits(key.mask(rate, 1001)),
                "rate {rate}"
            );
        }
    }

    #[test]
    fn a_part_differs_from_the_whole() {
        let params = MaskParams::new([1, 2], [3, 4], 0.3).unwrap();
        let whole = dropout_mask(&params, 0, 64);
        for first in 0..16 {
            assert_eq!(
                dropout_mask(&params, first, 40),
                whole[first as usize..first as usize + 40]
            );
        }
    }
}
