use rand_core::{Infallible, Rng, SeedableRng, TryRng, utils};
use rand_pcg::Pcg64;

use crate::key;

const TWO_POW_MINUS_53: f64 = 1.0 / (1_u64 << 53) as f64;
const TWO_POW_MINUS_24: f32 = 1.0 / (1_u32 << 24) as f32;

/// A PCG-64 stream that knows how many 64-bit values it has given.
///
/// Its whole state is `(key, position)`; two streams with equal key and
/// position give equal values for ever. Every method documents how many draws
/// it takes, because the position is what a checkpoint stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    key: [u8; 32],
    position: u64,
    generator: Pcg64,
}

impl Stream {
    /// The stream `name` of `seed`, at position 0: the one that a
    /// [`RngHub`](crate::RngHub) holds under that name.
    pub fn named(seed: u64, name: &str) -> Self {
        Self::from_key(key::stream(seed, name, None))
    }

    /// Sub-stream `index` of `name`, at position 0, independent of the
    /// registered stream of that name and of every other index. For things
    /// that are rebuilt rather than replayed, such as the order of an epoch.
    pub fn keyed(seed: u64, name: &str, index: u64) -> Self {
        Self::from_key(key::stream(seed, name, Some(index)))
    }

    /// The sub-stream of `name` for the `micro_batch`-th forward pass of optimizer step `step`, at
    /// position 0, independent of the others of that name.
    pub fn of_micro_batch(seed: u64, name: &str, step: u64, micro_batch: u32) -> Self {
        Self::from_key(key::micro_batch(seed, name, step, micro_batch))
    }

    fn from_key(key: [u8; 32]) -> Self {
        Self {
            key,
            position: 0,
            generator: Pcg64::from_seed(key),
        }
    }

    /// The number of 64-bit draws since the start.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The key in lower-case hex, as a [`StreamRecord`](crate::StreamRecord)
    /// stores it.
    pub fn key_hex(&self) -> String {
        blake3::Hash::from(self.key).to_hex().to_string()
    }

    /// Goes to `position` draws after the start, forwards or backwards, in
    /// O(log position).
    pub fn seek(&mut self, position: u64) {
        self.generator = Pcg64::from_seed(self.key);
        self.generator.advance(u128::from(position));
        self.position = position;
    }

    /// The next 64 bits. One draw.
    pub fn next_u64(&mut self) -> u64 {
        // Wrapping: 2^64 draws take centuries, and a panic here would be worse
        // than a position that only `seek` can bring so far.
        self.position = self.position.wrapping_add(1);
        self.generator.next_u64()
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53. One draw (its top 53 bits).
    pub fn uniform_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * TWO_POW_MINUS_53
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24. One draw (its top 24 bits).
    pub fn uniform_f32(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * TWO_POW_MINUS_24
    }

    /// Uniform in `0..n`, without bias, by Lemire's multiplication and
    /// rejection ("Fast Random Integer Generation in an Interval", 2019).
    /// One draw, and another for each rejection (probability below `n`/2^64).
    ///
    /// # Panics
    ///
    /// If `n` is 0: there is no such number.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "Stream::below(0): expected n >= 1");
        // 2^64 mod n: the products whose low half lies under it are one too many.
        let surplus = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= surplus {
                return (product >> 64) as u64;
            }
        }
    }

    /// Standard normal by Box and Muller (1958), the cosine branch only:
    /// `sqrt(-2 ln(1 - u1)) cos(2 pi u2)`. Always exactly two draws, and
    /// nothing is kept back, so that the position alone is the state.
    pub fn normal_f64(&mut self) -> f64 {
        // 1 - u1 lies in (0, 1], so the logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform_f64()));
        let angle = std::f64::consts::TAU * self.uniform_f64();
        radius * libm::cos(angle)
    }
}

/// `next_u32` takes one draw (its low 32 bits); `fill_bytes` takes one draw for
/// every 8 bytes begun, little-endian. [`rand_core::Rng`] follows from this.
impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next_u64() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next_u64())
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        utils::fill_bytes_via_next_word(dst, || self.try_next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rand_pcg 0.10.3, tests/lcg128xsl64.rs, `test_lcg128xsl64_construction`.
    #[test]
    fn key_bytes_enter_the_generator_in_another_order() {
        let key = std::array::from_fn(|i| i as u8 + 1);
        assert_eq!(Stream::from_key(key).next_u64(), 8_740_028_313_290_271_629);
    }
}
