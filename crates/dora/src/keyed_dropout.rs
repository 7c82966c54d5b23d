use burn::tensor::{Tensor, backend::Backend};
use dacapo_rng::DropoutKey;

use crate::mask::Mask;

/// Dropout whose mask is a function of (key, path, element), for use inside
/// models in place of Burn's `Dropout`, whose generator cannot be saved.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyedDropout {
    /// Dropout probability, `0 <= rate < 1`.
    pub rate: f64,
    /// Stable path of this use of dropout; two uses of one model must differ.
    pub path: String,
}

impl KeyedDropout {
    /// Dropout at `rate`, under `path`.
    pub fn new(rate: f64, path: impl Into<String>) -> Self {
        Self {
            rate,
            path: path.into(),
        }
    }

    /// Whether [`apply`](Self::apply) changes anything.
    pub fn is_active(&self, dropout: Option<&DropoutKey>) -> bool {
        self.active(dropout).is_some()
    }

    fn active<'a>(&self, dropout: Option<&'a DropoutKey>) -> Option<&'a DropoutKey> {
        dropout.filter(|_| self.rate != 0.0)
    }

    /// `x` with each element multiplied by 0 or `1/(1-rate)`; `x` itself
    /// without a key or at rate 0.
    ///
    /// # Panics
    /// If there is a key and `rate` is NaN or outside `[0, 1)`.
    pub fn apply<B: Backend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, D> {
        match self.active(dropout) {
            Some(key) => {
                let mask = Mask::Keyed {
                    key: key.layer(&self.path),
                    rate: self.rate,
                };
                mask.apply(x)
            }
            None => x,
        }
    }
}
