use dacapo_dora::{DoraConfig, Flavour};
use serde::{Deserialize, Serialize};

use super::AdaptMode;

/// `[adapt]`: what is trained and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptConfig {
    /// Adapters or everything.
    pub mode: AdaptMode,
    /// The kind of DoRA.
    pub flavour: Flavour,
    /// Rank of the low-rank product.
    pub rank: usize,
    /// The product is scaled by alpha / rank.
    pub alpha: f64,
    /// Dropout of the low-rank path.
    pub dropout: f64,
    /// `*` patterns of the linear layers that get an adapter.
    pub targets: Vec<String>,
}

impl AdaptConfig {
    /// What every adapter is like.
    pub fn dora(&self) -> DoraConfig {
        DoraConfig {
            flavour: self.flavour,
            rank: self.rank,
            alpha: self.alpha,
            dropout: self.dropout,
        }
    }
}

impl Default for AdaptConfig {
    fn default() -> Self {
        Self {
            mode: AdaptMode::Dora,
            flavour: Flavour::Peft,
            rank: 8,
            alpha: 16.0,
            dropout: 0.0,
            targets: ["*.attn.*", "*.mlp.*", "head"].map(str::to_owned).into(),
        }
    }
}
