use std::collections::BTreeMap;

use dacapo_dora::{AdapterInit, AttachPlan, DoraConfig, Flavour};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AdaptMode;

/// `[adapt]`: what is trained and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptConfig {
    /// Adapters or everything.
    pub mode: AdaptMode,
    /// The kind of DoRA, or LoRA.
    pub flavour: Flavour,
    /// Rank of the low-rank product.
    pub rank: usize,
    /// The product is scaled by alpha / rank.
    pub alpha: f64,
    /// It is scaled by alpha / sqrt(rank) instead.
    #[serde(skip_serializing_if = "is_default")]
    pub rslora: bool,
    /// What the factors are at the start.
    #[serde(skip_serializing_if = "is_default")]
    pub init: AdapterInit,
    /// Dropout of the low-rank path.
    pub dropout: f64,
    /// `*` patterns of the linear layers that get an adapter.
    pub targets: Vec<String>,
    /// Other ranks, by `*` pattern of the layers that have them.
    #[serde(skip_serializing_if = "is_default")]
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other alphas, likewise.
    #[serde(skip_serializing_if = "is_default")]
    pub alpha_pattern: BTreeMap<String, f64>,
    /// `*` patterns of parameters that are trained besides the adapters, such as a new head.
    #[serde(skip_serializing_if = "is_default")]
    pub also_train: Vec<String>,
}

// What a configuration did not know when runs were made is not written where it changes nothing:
// their identity holds.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl AdaptConfig {
    /// What an adapter is like where no pattern says otherwise.
    pub fn dora(&self) -> DoraConfig {
        DoraConfig {
            flavour: self.flavour,
            rank: self.rank,
            alpha: self.alpha,
            dropout: self.dropout,
            rslora: self.rslora,
            init: self.init,
        }
    }

    /// Which layers get one.
    pub fn plan(&self) -> AttachPlan {
        AttachPlan {
            targets: self.targets.clone(),
            config: self.dora(),
            rank_pattern: self.rank_pattern.clone(),
            alpha_pattern: self.alpha_pattern.clone(),
        }
    }

    /// `*` patterns of the parameters that are trained.
    pub fn trainable(&self) -> Vec<String> {
        match self.mode {
            AdaptMode::Full => vec!["*".to_owned()],
            AdaptMode::Dora => {
                let adapters = ["*.adapter.*".to_owned()].into_iter();
                adapters.chain(self.also_train.iter().cloned()).collect()
            }
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
            rslora: false,
            init: AdapterInit::Kaiming,
            dropout: 0.0,
            targets: ["*.attn.*", "*.mlp.*", "head"].map(str::to_owned).into(),
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            also_train: Vec::new(),
        }
    }
}
