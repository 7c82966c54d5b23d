use cubecl::prelude::Runtime;

use super::MaskArgsLaunch;
use crate::KernelError;

/// What a dropout mask depends on, besides the index of an element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskParams {
    pub(super) key: [u32; 2],
    pub(super) upper: [u32; 2],
    pub(super) threshold: u32,
    pub(super) kept: f32,
}

impl MaskParams {
    /// The mask of the Philox key `key` and the upper counter words `upper`
    /// (`MaskKey::philox_key` and `MaskKey::upper_counter` of `dacapo-rng`),
    /// where an element is dropped with probability `rate`.
    ///
    /// # Errors
    ///
    /// [`KernelError::Rate`] if `rate` is NaN or outside `[0, 1)`.
    pub fn new(key: [u32; 2], upper: [u32; 2], rate: f64) -> Result<Self, KernelError> {
        if !(0.0..1.0).contains(&rate) {
            return Err(KernelError::Rate {
                kernel: "dropout_mask",
                rate,
            });
        }
        // A product by a power of two is exact, and so is the rounding.
        let threshold = (rate * (1_u64 << 32) as f64).round();
        let (threshold, kept) = match threshold as u64 {
            // Every word lies under 2^32, which no u32 holds: all is dropped,
            // and a mask that keeps all of it with the factor 0 is the same.
            0x1_0000_0000 => (0, 0.0),
            words => (words as u32, (1.0 / (1.0 - rate)) as f32),
        };
        Ok(Self {
            key,
            upper,
            threshold,
            kept,
        })
    }

    /// The launch argument for a kernel that takes a
    /// [`MaskArgs`](super::MaskArgs).
    pub fn args<R: Runtime>(&self) -> MaskArgsLaunch<R> {
        MaskArgsLaunch::new(
            self.key[0],
            self.key[1],
            self.upper[0],
            self.upper[1],
            self.threshold,
            self.kept,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_outside_zero_to_one_is_taken() {
        for rate in [f64::NAN, -0.1, 1.0, 1.5, f64::INFINITY] {
            assert!(MaskParams::new([0; 2], [0; 2], rate).is_err(), "{rate}");
        }
        assert!(MaskParams::new([0; 2], [0; 2], 0.0).is_ok());
    }
}
