use crate::Philox4x32;

/// The key of one layer's dropout mask in one forward pass.
///
/// Element `i` reads lane `i % 4` of [`Philox4x32`]`(key)` at the counter
/// `[low(i / 4), high(i / 4), upper[0], upper[1]]`, where `key` is
/// [`MaskKey::philox_key`] and `upper` is [`MaskKey::upper_counter`]; it is
/// dropped if that word lies under [`MaskKey::threshold`]. A GPU kernel with
/// these four words and the threshold makes the same mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskKey {
    key: [u32; 2],
    upper: [u32; 2],
}

impl MaskKey {
    pub(crate) const fn from_words([k0, k1, u0, u1]: [u32; 4]) -> Self {
        Self {
            key: [k0, k1],
            upper: [u0, u1],
        }
    }

    /// The key of the [`Philox4x32`].
    pub const fn philox_key(&self) -> [u32; 2] {
        self.key
    }

    /// The two upper words of the counter.
    pub const fn upper_counter(&self) -> [u32; 2] {
        self.upper
    }

    /// The number of 32-bit words that mean "dropped": `rate` * 2^32, rounded
    /// to the nearest integer. At most 2^32, hence a u64.
    ///
    /// # Panics
    ///
    /// If `rate` is NaN or outside `[0, 1)`.
    pub fn threshold(rate: f64) -> u64 {
        assert!(
            (0.0..1.0).contains(&rate),
            "dropout rate: expected 0 <= rate < 1, found {rate}"
        );
        // A product by a power of two is exact.
        libm::round(rate * (1_u64 << 32) as f64) as u64
    }

    /// `len` elements, each 0 if dropped (with probability `rate`) and
    /// `1 / (1 - rate)`, rounded to f32, if kept. Element `i` depends on the
    /// key, `rate` and `i` alone, so that a longer mask begins with the shorter
    /// one. At rate 0 every element is 1.
    ///
    /// # Panics
    ///
    /// If `rate` is NaN or outside `[0, 1)`; a configuration's `validate` should
    /// have refused it.
    pub fn mask(&self, rate: f64, len: usize) -> Vec<f32> {
        let threshold = Self::threshold(rate);
        let kept = (1.0 / (1.0 - rate)) as f32;
        let philox = Philox4x32::new(self.key);
        let mut mask = Vec::with_capacity(len);
        for block in 0..len.div_ceil(4) as u64 {
            let [u0, u1] = self.upper;
            let words = philox.block([block as u32, (block >> 32) as u32, u0, u1]);
            for word in words.into_iter().take(len - mask.len()) {
                mask.push(if u64::from(word) < threshold {
                    0.0
                } else {
                    kept
                });
            }
        }
        mask
    }
}
