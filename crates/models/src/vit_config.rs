use serde::{Deserialize, Serialize};

use crate::block_config::BlockConfig;
use crate::check::{dropout, patches, positive, transformer};
use crate::{Activation, ModelsError};

/// The sizes of a [`Vit`](crate::Vit). The defaults are those of the shipped
/// digits model (about 136,000 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct VitConfig {
    /// Pixels along a side of the square image.
    pub image_size: usize,
    /// Pixels along a side of a patch; divides `image_size`.
    pub patch_size: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Number of transformer blocks.
    pub blocks: usize,
    /// Attention heads; divides `d_model`.
    pub heads: usize,
    /// Width of the hidden layer of each block's MLP.
    pub d_mlp: usize,
    /// Number of classes.
    pub classes: usize,
    /// Dropout probability after each block's attention and MLP, `[0, 1)`.
    pub dropout: f64,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self {
            image_size: 8,
            patch_size: 2,
            d_model: 64,
            blocks: 4,
            heads: 4,
            d_mlp: 128,
            classes: 10,
            dropout: 0.0,
        }
    }
}

impl VitConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`ModelsError::Config`] naming the first key that is out of range.
    pub fn validate(&self) -> Result<(), ModelsError> {
        patches(self.image_size, self.patch_size)?;
        transformer(self.d_model, self.blocks, self.heads, self.d_mlp)?;
        positive("classes", self.classes)?;
        dropout("dropout", self.dropout)
    }

    /// Patches of an image.
    pub fn patches(&self) -> usize {
        let along = self.image_size / self.patch_size;
        along * along
    }

    pub(crate) fn block(&self) -> BlockConfig {
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
