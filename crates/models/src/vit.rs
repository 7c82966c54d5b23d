use burn::module::{Module, Param};
use burn::nn::LayerNorm;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_dora::{DoraError, DoraLinear, DoraTargets, set_precision};
use dacapo_ops::{Precision, add_row};
use dacapo_rng::{DropoutKey, Stream};

use crate::initial::{Drawn, Initial};
use crate::norm::{layer_norm_of, normalise};
use crate::patches::patches;
use crate::{Block, ModelsError, VitConfig};

/// A vision transformer (Dosovitskiy et al., "An Image is Worth 16x16 Words",
/// 2021) for square images of one channel: patches, a class token, learned
/// positions, pre-norm blocks, a final norm, and a linear head on the class
/// token.
///
/// Stable paths: `class_token`, `positions`, `patch_embed`,
/// `blocks.<i>.{norm1,norm2}`, `blocks.<i>.attn.{query,key,value,out_proj}`,
/// `blocks.<i>.mlp.{fc1,fc2}`, `norm`, `head`.
#[derive(Module, Debug)]
pub struct Vit<B: Backend> {
    /// `[1, 1, d_model]`.
    pub class_token: Param<Tensor<B, 3>>,
    /// `[1, 1 + patches, d_model]`; the class token's is the first.
    pub positions: Param<Tensor<B, 3>>,
    /// `[patch_size * patch_size, d_model]`.
    pub patch_embed: DoraLinear<B>,
    /// The transformer blocks, first to last.
    pub blocks: Vec<Block<B>>,
    /// After the last block.
    pub norm: LayerNorm<B>,
    /// `[d_model, classes]`.
    pub head: DoraLinear<B>,
    #[module(skip)]
    config: VitConfig,
}

impl<B: Backend> Vit<B> {
    /// A new model in the device's default float type. Draws, in this order:
    /// class token, positions (normal, deviation 0.02), `patch_embed`, the
    /// blocks' projections, `head` (all as [`DoraLinear::init`]). Norms start
    /// at one and zero.
    ///
    /// # Errors
    /// Those of [`VitConfig::validate`]; nothing is drawn then.
    pub fn init(
        config: &VitConfig,
        stream: &mut Stream,
        device: &B::Device,
    ) -> Result<Self, ModelsError> {
        config.validate()?;
        let d = config.d_model;
        let patch = config.patch_size * config.patch_size;
        let initial = &mut Drawn { stream, device };
        Ok(Self {
            class_token: initial.tokens([1, 1, d]),
            positions: initial.tokens([1, 1 + config.patches(), d]),
            patch_embed: initial.linear(patch, d, true),
            blocks: (0..config.blocks)
                .map(|i| Block::init(&config.block(), &format!("blocks.{i}"), initial))
                .collect(),
            norm: layer_norm_of(d, device),
            head: initial.linear(d, config.classes, true),
            config: config.clone(),
        })
    }

    /// The same model with all its matrix products in `precision`, those of
    /// adapters attached now or later included; F32 before. Not part of the
    /// record.
    ///
    /// # Panics
    /// Never: setting the precision of a layer cannot fail.
    pub fn with_precision(self, precision: Precision) -> Self {
        let mut model = set_precision(self, precision).expect("setting cannot fail");
        for block in &mut model.blocks {
            block.attn.set_precision(precision);
        }
        model
    }

    /// The sizes this model was made with.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// Logits `[n, classes]` of `images` `[n, image_size, image_size]` in
    /// `[0, 1]`. Without a `dropout` key nothing is dropped, in the model and
    /// in its adapters.
    ///
    /// # Panics
    /// If the images are not of the configured size.
    pub fn forward(&self, images: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 2> {
        let mut x = self.embed(images, dropout);
        for block in &self.blocks {
            x = block.forward(x, dropout);
        }
        let [n, _, d] = x.dims();
        // The head reads the class token only, and the norm works token by
        // token: there is no need to normalise the others.
        let class = x.slice([0..n, 0..1, 0..d]);
        let class = normalise(&self.norm, class).reshape([n, d]);
        self.head.forward(class, dropout)
    }

    /// The residual stream `[n, 1 + patches, d_model]` before the first block.
    fn embed(&self, images: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 3> {
        let [n, height, width] = images.dims();
        let side = self.config.image_size;
        assert!(
            height == side && width == side,
            "Vit::forward: expected images of {side}x{side}, found {height}x{width}; resize them \
             or set the model's image_size"
        );
        let patches = patches(images.unsqueeze_dim(1), self.config.patch_size);
        let tokens = self.patch_embed.forward(patches, dropout);
        let class = self.class_token.val().expand([n, 1, self.config.d_model]);
        add_row(Tensor::cat(vec![class, tokens], 1), self.positions.val())
    }
}

impl<B: Backend> DoraTargets<B> for Vit<B> {
    fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        let patch_embed = f("patch_embed", self.patch_embed)?;
        let blocks = self
            .blocks
            .into_iter()
            .enumerate()
            .map(|(i, block)| block.map_linears(&format!("blocks.{i}"), f))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            patch_embed,
            blocks,
            head: f("head", self.head)?,
            class_token: self.class_token,
            positions: self.positions,
            norm: self.norm,
            config: self.config,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use burn_flex::{Flex, FlexDevice};

    use super::*;

    #[test]
    fn two_places_share_a_dropout_mask() {
        let mut stream = Stream::named(7, "init");
        let model = Vit::<Flex>::init(&VitConfig::default(), &mut stream, &FlexDevice);
        let mut paths = BTreeSet::new();
        let model = model.unwrap();
        for block in &model.blocks {
            paths.insert(block.attn.dropout.path.clone());
            paths.insert(block.mlp.dropout.path.clone());
        }
        assert_eq!(paths.len(), 2 * model.blocks.len());
        // Adapters key their masks by the layer's path.
        let keep = |path: &str, linear| {
            assert!(!paths.contains(path), "{path}");
            Ok(linear)
        };
        model.map_linears(&mut { keep }).unwrap();
    }
}
