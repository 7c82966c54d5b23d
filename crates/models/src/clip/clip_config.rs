use serde::{Deserialize, Serialize};

use super::TowerConfig;
use crate::block_config::BlockConfig;
use crate::check::{patches, positive};
use crate::{Activation, ModelsError};

/// The sizes of a [`Clip`](super::Clip).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClipConfig {
    /// Pixels along a side of the square image of three channels.
    pub image_size: usize,
    /// Pixels along a side of a patch; divides `image_size`.
    pub patch_size: usize,
    /// The image transformer.
    pub vision: TowerConfig,
    /// The text transformer.
    pub text: TowerConfig,
    /// Number of token ids.
    pub vocabulary: usize,
    /// The most tokens of a text, its start and end included.
    pub context: usize,
    /// Width of the space that images and texts share.
    pub d_embed: usize,
    /// Of both transformers.
    #[serde(default = "quick_gelu")]
    pub activation: Activation,
}

fn quick_gelu() -> Activation {
    Activation::QuickGelu
}

impl ClipConfig {
    /// OpenAI's ViT-B/32.
    pub fn vit_b_32() -> Self {
        Self {
            image_size: 224,
            patch_size: 32,
            vision: TowerConfig::of_width(768, 12),
            text: TowerConfig::of_width(512, 12),
            vocabulary: 49_408,
            context: 77,
            d_embed: 512,
            activation: Activation::QuickGelu,
        }
    }

    /// OpenAI's ViT-B/16.
    pub fn vit_b_16() -> Self {
        Self {
            patch_size: 16,
            ..Self::vit_b_32()
        }
    }

    /// OpenAI's ViT-L/14, at 224 pixels.
    pub fn vit_l_14() -> Self {
        Self {
            patch_size: 14,
            vision: TowerConfig::of_width(1024, 24),
            text: TowerConfig::of_width(768, 12),
            d_embed: 768,
            ..Self::vit_b_32()
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`ModelsError::Config`] naming the first key that is out of range.
    pub fn validate(&self) -> Result<(), ModelsError> {
        patches(self.image_size, self.patch_size)?;
        self.vision.validate()?;
        self.text.validate()?;
        positive("vocabulary", self.vocabulary)?;
        positive("context", self.context)?;
        positive("d_embed", self.d_embed)
    }

    /// Patches of an image.
    pub fn patches(&self) -> usize {
        let along = self.image_size / self.patch_size;
        along * along
    }

    pub(super) fn block(&self, tower: &TowerConfig, causal: bool) -> BlockConfig {
        BlockConfig {
            d_model: tower.d_model,
            heads: tower.heads,
            d_mlp: tower.d_mlp,
            activation: self.activation,
            causal,
            dropout: 0.0,
        }
    }
}
