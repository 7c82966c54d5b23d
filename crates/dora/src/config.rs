use serde::{Deserialize, Serialize};

use crate::{AdapterInit, DoraError, Flavour};

/// The hyper-parameters of an adapter. A default that changes between versions
/// would change runs silently, so the first four keys are required, and the
/// others are what they were before there was a choice.
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
    /// Scale by `alpha / sqrt(rank)` instead, so that the update does not shrink
    /// as the rank grows: rsLoRA (Kalajdzievski 2023, arXiv:2312.03732).
    #[serde(default, skip_serializing_if = "is_default")]
    pub rslora: bool,
    /// What A and B are at the start.
    #[serde(default, skip_serializing_if = "is_default")]
    pub init: AdapterInit,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl DoraConfig {
    /// DoRA as Hugging Face PEFT computes it, without dropout.
    pub fn peft(rank: usize, alpha: f64) -> Self {
        Self {
            flavour: Flavour::Peft,
            rank,
            alpha,
            dropout: 0.0,
            rslora: false,
            init: AdapterInit::Kaiming,
        }
    }

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
        if self.flavour == Flavour::ClipHba && self.init != AdapterInit::Kaiming {
            let expected = "\"kaiming\", as that flavour is defined";
            return refuse("init", expected, format!("{:?}", self.init.name()));
        }
        Ok(())
    }

    /// The factor s of the low-rank product: `alpha / rank`, or
    /// `alpha / sqrt(rank)` with `rslora`.
    pub fn scaling(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.rslora { rank.sqrt() } else { rank }
    }

    /// [`validate`](Self::validate), and that flavour and beginning are the only
    /// ones that are defined for this kind of layer.
    pub(crate) fn check_peft(&self, path: &str, kind: &'static str) -> Result<(), DoraError> {
        self.validate()?;
        let path = path.to_owned();
        match (self.flavour, self.init) {
            (Flavour::Peft, AdapterInit::Kaiming) => Ok(()),
            (Flavour::Peft, found) => Err(DoraError::UnsupportedInit { path, kind, found }),
            (found, _) => Err(DoraError::UnsupportedFlavour { path, kind, found }),
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
