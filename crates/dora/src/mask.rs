use burn::tensor::{DType, Tensor, backend::Backend};
use dacapo_ops::{DropoutMask, dropout};
use dacapo_rng::MaskKey;

use crate::math::from_host;

/// The factors of a tensor's elements in row-major order, each 0 or 1/(1-rate).
#[derive(Debug, Clone)]
pub(crate) enum Mask {
    /// Made where it is needed, on the device if that can.
    Keyed { key: MaskKey, rate: f64 },
    /// As given.
    Given(Vec<f32>),
}

/// For the kernels.
fn words(key: &MaskKey, rate: f64) -> DropoutMask {
    DropoutMask {
        key: key.philox_key(),
        upper: key.upper_counter(),
        rate,
    }
}

impl Mask {
    /// What a kernel makes it of; none where the factors are given.
    pub(crate) fn words(&self) -> Option<DropoutMask> {
        match self {
            Self::Keyed { key, rate } => Some(words(key, *rate)),
            Self::Given(_) => None,
        }
    }

    /// `x` times the mask; the same bits wherever the mask is made.
    pub(crate) fn apply<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        let factors = match self {
            Self::Keyed { key, rate } => {
                if let Some(y) = dropout(&x, &words(&key, rate)) {
                    return y;
                }
                key.mask(rate, x.shape().num_elements())
            }
            Self::Given(factors) => factors,
        };
        let (shape, dtype, device): ([usize; D], DType, _) = (x.dims(), x.dtype(), x.device());
        x * from_host::<B, D, f32>(factors, shape, dtype, &device)
    }
}
