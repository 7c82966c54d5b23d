use serde::{Deserialize, Serialize};

use crate::ModelsError;
use crate::check::transformer;

/// The sizes of one of CLIP's two transformers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TowerConfig {
    /// Width of the residual stream.
    pub d_model: usize,
    /// Number of transformer blocks.
    pub blocks: usize,
    /// Attention heads; divides `d_model`.
    pub heads: usize,
    /// Width of the hidden layer of each block's MLP.
    pub d_mlp: usize,
}

impl TowerConfig {
    /// As OpenAI's CLIP has them: heads of 64, and an MLP four times as wide.
    pub(super) fn of_width(d_model: usize, blocks: usize) -> Self {
        Self {
            d_model,
            blocks,
            heads: d_model / 64,
            d_mlp: 4 * d_model,
        }
    }

    pub(super) fn validate(&self) -> Result<(), ModelsError> {
        transformer(self.d_model, self.blocks, self.heads, self.d_mlp)
    }
}
