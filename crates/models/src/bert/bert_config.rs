use serde::{Deserialize, Serialize};

use crate::block_config::BlockConfig;
use crate::check::{dropout, positive, require, transformer};
use crate::{Activation, ModelsError};

/// The sizes of a [`Bert`](super::Bert).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BertConfig {
    /// Number of token ids.
    pub vocabulary: usize,
    /// The most tokens of a sentence, its start and end included.
    pub context: usize,
    /// Token types that the weights tell apart; every token is of the first.
    #[serde(default = "two")]
    pub types: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Number of transformer blocks.
    pub blocks: usize,
    /// Attention heads; divides `d_model`.
    pub heads: usize,
    /// Width of the hidden layer of each block's MLP.
    pub d_mlp: usize,
    /// What is added to the variance in each layer normalisation.
    pub eps: f64,
    /// Dropout probability after the embeddings, and after each block's attention and MLP,
    /// `[0, 1)`.
    #[serde(default)]
    pub dropout: f64,
}

/// The deepest published one has 48.
const MOST_BLOCKS: usize = 1024;

fn two() -> usize {
    2
}

impl BertConfig {
    /// all-MiniLM-L6-v2 of sentence-transformers, without dropout.
    pub fn minilm_l6() -> Self {
        Self {
            vocabulary: 30_522,
            context: 512,
            types: 2,
            d_model: 384,
            blocks: 6,
            heads: 12,
            d_mlp: 1536,
            eps: 1e-12,
            dropout: 0.0,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`ModelsError::Config`] naming the first key that is out of range.
    pub fn validate(&self) -> Result<(), ModelsError> {
        positive("vocabulary", self.vocabulary)?;
        positive("context", self.context)?;
        positive("types", self.types)?;
        transformer(self.d_model, self.blocks, self.heads, self.d_mlp)?;
        // Sizes may come out of a file, and each block has names of its own.
        require(
            self.blocks <= MOST_BLOCKS,
            "blocks",
            format!("at most {MOST_BLOCKS}"),
            self.blocks,
        )?;
        let least = f64::from(f32::MIN_POSITIVE);
        require(
            (least..=1.0).contains(&self.eps),
            "eps",
            format!("at least {least:e} and at most 1"),
            self.eps,
        )?;
        dropout("dropout", self.dropout)
    }

    pub(super) fn block(&self) -> BlockConfig {
        BlockConfig {
            d_model: self.d_model,
            heads: self.heads,
            d_mlp: self.d_mlp,
            activation: Activation::Gelu,
            causal: false,
            dropout: self.dropout,
        }
    }
}
