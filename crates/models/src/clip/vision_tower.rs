use burn::module::{Module, Param};
use burn::nn::LayerNorm;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_dora::{DoraError, DoraLinear};
use dacapo_rng::DropoutKey;

use super::ClipConfig;
use crate::initial::Initial;
use crate::norm::{layer_norm_of, normalise};
use crate::patches::patches;
use crate::readout::Readout;
use crate::{Block, Cut, Stage};

/// CLIP's image transformer: patches without bias, a class token, positions, a norm
/// before the blocks and one after them, and a projection of the class token.
#[derive(Module, Debug)]
pub struct VisionTower<B: Backend> {
    /// `[3 * patch_size * patch_size, d_model]`; a patch is its three channels, each
    /// row by row.
    pub patch_embed: DoraLinear<B>,
    /// `[1, 1, d_model]`.
    pub class_token: Param<Tensor<B, 3>>,
    /// `[1, 1 + patches, d_model]`; the class token's is the first.
    pub positions: Param<Tensor<B, 3>>,
    /// Before the first block.
    pub norm_pre: LayerNorm<B>,
    /// The transformer blocks, first to last.
    pub blocks: Vec<Block<B>>,
    /// After the last block.
    pub norm_post: LayerNorm<B>,
    /// `[d_model, d_embed]`, without bias.
    pub projection: DoraLinear<B>,
    image_size: usize,
    patch_size: usize,
}

impl<B: Backend> VisionTower<B> {
    /// Draws patch_embed, class token, positions, the blocks, projection.
    pub(super) fn init(config: &ClipConfig, initial: &mut impl Initial<B>) -> Self {
        let d = config.vision.d_model;
        let patch = 3 * config.patch_size * config.patch_size;
        let block = config.block(&config.vision, false);
        let norm = || layer_norm_of(d, initial.device());
        let (norm_pre, norm_post) = (norm(), norm());
        Self {
            patch_embed: initial.linear(patch, d, false),
            class_token: initial.tokens([1, 1, d]),
            positions: initial.tokens([1, 1 + config.patches(), d]),
            norm_pre,
            blocks: (0..config.vision.blocks)
                .map(|i| Block::init(&block, &format!("visual.blocks.{i}"), initial))
                .collect(),
            norm_post,
            projection: initial.linear(d, config.d_embed, false),
            image_size: config.image_size,
            patch_size: config.patch_size,
        }
    }

    /// Features `[n, d_embed]`, not normalised, of normalised `images`
    /// `[n, 3, image_size, image_size]`.
    ///
    /// # Panics
    /// If the images are not of the configured size.
    pub fn forward(&self, images: Tensor<B, 4>, dropout: Option<&DropoutKey>) -> Tensor<B, 2> {
        let start = Cut::block(0);
        self.suffix(self.prefix(images, start, dropout), start, dropout)
    }

    /// The forward pass up to `cut`.
    ///
    /// # Panics
    /// If the images are not of the configured size.
    pub fn prefix(&self, images: Tensor<B, 4>, cut: Cut, dropout: Option<&DropoutKey>) -> Stage<B> {
        let stage = Stage {
            stream: self.embed(images, dropout),
            joined: None,
        };
        stage.advance(&self.blocks, Cut::block(0), cut, &Readout::First, dropout)
    }

    /// The forward pass from `cut` on: features as [`forward`](Self::forward) gives them.
    pub fn suffix(&self, stage: Stage<B>, cut: Cut, dropout: Option<&DropoutKey>) -> Tensor<B, 2> {
        let end = Cut::block(self.blocks.len());
        let stage = stage.advance(&self.blocks, cut, end, &Readout::First, dropout);
        let [n, _, d] = stage.stream.dims();
        let class = normalise(&self.norm_post, stage.stream).reshape([n, d]);
        self.projection.forward(class, dropout)
    }

    /// The residual stream `[n, 1 + patches, d_model]` before the first block.
    fn embed(&self, images: Tensor<B, 4>, dropout: Option<&DropoutKey>) -> Tensor<B, 3> {
        let [n, channels, height, width] = images.dims();
        let side = self.image_size;
        assert!(
            [channels, height, width] == [3, side, side],
            "VisionTower::forward: expected images of 3x{side}x{side}, found \
             {channels}x{height}x{width}; resize them"
        );
        let patches = patches(images, self.patch_size);
        let tokens = self.patch_embed.forward(patches, dropout);
        let d = tokens.dims()[2];
        let class = self.class_token.val().expand([n, 1, d]);
        let x = Tensor::cat(vec![class, tokens], 1) + self.positions.val();
        normalise(&self.norm_pre, x)
    }

    pub(super) fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        Ok(Self {
            patch_embed: f("visual.patch_embed", self.patch_embed)?,
            blocks: super::map_blocks("visual", self.blocks, f)?,
            projection: f("visual.projection", self.projection)?,
            ..self
        })
    }
}
