#[cfg(feature = "cube")]
use dacapo_kernels::dropout_mask::MaskParams;

/// What a dropout mask depends on: the words of `dacapo_rng::MaskKey`, and the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutMask {
    /// The Philox key, `MaskKey::philox_key`.
    pub key: [u32; 2],
    /// The upper words of the counter, `MaskKey::upper_counter`.
    pub upper: [u32; 2],
    /// Probability that an element is dropped, `0 <= rate < 1`.
    pub rate: f64,
}

impl DropoutMask {
    pub(crate) fn check(&self) {
        let rate = self.rate;
        assert!(
            (0.0..1.0).contains(&rate),
            "dropout rate: expected 0 <= rate < 1, found {rate}"
        );
    }

    /// For the kernels. The rate has been checked.
    #[cfg(feature = "cube")]
    pub(crate) fn params(&self) -> MaskParams {
        let params = MaskParams::new(self.key, self.upper, self.rate);
        params.unwrap_or_else(|error| panic!("dropout: {error}"))
    }
}
