use serde::{Deserialize, Serialize};

use crate::{DoraError, Flavour};

/// The hyper-parameters of a DoRA adapter. Every key is required: a default
/// that changes between versions would change runs silently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoraConfig {
    /// Which formulas to compute.
    pub flavour: Flavour,
    /// Rank r of the low-rank update; at least 1, and at most the smaller side
    /// of the weight (checked when attached).
    pub rank: usize,
    /// Numerator of the scaling `alpha / rank`; finite and above 0.
    pub alpha: f64,
    /// Dropout probability, `0 <= dropout < 1`. What it acts on depends on the
    /// flavour.
    pub dropout: f64,
}

impl DoraConfig {
    /// Checks every value that can be checked without a layer.
    ///
    /// # Errors
    /// [`DoraError::InvalidConfig`], naming the first key that is out of range.
    pub fn validate(&self) -> Result<(), DoraError> {
        let refuse = |key, expected, found| {
            Err(DoraError::InvalidConfig {
                key,
                expected,
                found,
            })
        };
        if self.rank == 0 {
            return refuse("rank", "an integer of at least 1", self.rank.to_string());
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return refuse("alpha", "a finite number above 0", self.alpha.to_string());
        }
        // Written so that NaN fails too.
        if !(0.0..1.0).contains(&self.dropout) {
            let expected = "a probability with 0 <= dropout < 1";
            return refuse("dropout", expected, self.dropout.to_string());
        }
        Ok(())
    }

    /// The factor s = `alpha / rank` of the low-rank product.
    pub fn scaling(&self) -> f64 {
        self.alpha / self.rank as f64
    }

    /// [`validate`](Self::validate), and that the flavour is `Peft`, the only one
    /// that is defined for this kind of layer.
    pub(crate) fn check_peft(&self, path: &str, kind: &'static str) -> Result<(), DoraError> {
        self.validate()?;
        match self.flavour {
            Flavour::Peft => Ok(()),
            found => Err(DoraError::UnsupportedFlavour {
                path: path.to_owned(),
                kind,
                found,
            }),
        }
    }

    /// [`validate`](Self::validate), and that the rank fits the layer.
    pub(crate) fn check_for(&self, path: &str, d_in: usize, d_out: usize) -> Result<(), DoraError> {
        self.validate()?;
        if self.rank > d_in.min(d_out) {
            return Err(DoraError::RankTooLarge {
                path: path.to_owned(),
                rank: self.rank,
                d_in,
                d_out,
            });
        }
        Ok(())
    }
}
