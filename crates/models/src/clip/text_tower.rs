use burn::module::{Module, Param};
use burn::nn::LayerNorm;
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use dacapo_dora::{DoraError, DoraLinear};
use dacapo_rng::DropoutKey;

use super::{ClipConfig, TokenBatch};
use crate::initial::Initial;
use crate::norm::{layer_norm_of, normalise};
use crate::readout::Readout;
use crate::{Block, Cut, Stage};

/// CLIP's text transformer: tokens, positions, causal blocks, a norm, and a projection
/// of each text's end token.
#[derive(Module, Debug)]
pub struct TextTower<B: Backend> {
    /// `[vocabulary, d_model]`.
    pub token_embed: Param<Tensor<B, 2>>,
    /// `[1, context, d_model]`.
    pub positions: Param<Tensor<B, 3>>,
    /// The transformer blocks, first to last.
    pub blocks: Vec<Block<B>>,
    /// After the last block.
    pub norm: LayerNorm<B>,
    /// `[d_model, d_embed]`, without bias.
    pub projection: DoraLinear<B>,
}

impl<B: Backend> TextTower<B> {
    /// Draws token_embed, positions, the blocks, projection.
    pub(super) fn init(config: &ClipConfig, initial: &mut impl Initial<B>) -> Self {
        let d = config.text.d_model;
        let block = config.block(&config.text, true);
        let norm = layer_norm_of(d, initial.device());
        Self {
            token_embed: initial.tokens([config.vocabulary, d]),
            positions: initial.tokens([1, config.context, d]),
            blocks: (0..config.text.blocks)
                .map(|i| Block::init(&block, &format!("text.blocks.{i}"), initial))
                .collect(),
            norm,
            projection: initial.linear(d, config.d_embed, false),
        }
    }

    /// Features `[n, d_embed]`, not normalised, of `texts`.
    ///
    /// What follows every text's end token is left out: under the causal mask nothing
    /// that is read depends on it.
    ///
    /// # Panics
    /// If a text is longer than the context or a token id outside the vocabulary.
    pub fn forward(&self, texts: &TokenBatch, dropout: Option<&DropoutKey>) -> Tensor<B, 2> {
        let start = Cut::block(0);
        self.suffix(self.prefix(texts, start, dropout), texts, start, dropout)
    }

    /// The forward pass up to `cut`.
    ///
    /// # Panics
    /// If a text is longer than the context or a token id outside the vocabulary.
    pub fn prefix(&self, texts: &TokenBatch, cut: Cut, dropout: Option<&DropoutKey>) -> Stage<B> {
        let stage = Stage {
            stream: self.embed(texts),
            joined: None,
        };
        let readout = Readout::At(texts.ends());
        stage.advance(&self.blocks, Cut::block(0), cut, &readout, dropout)
    }

    /// The forward pass of the same `texts` from `cut` on: features as
    /// [`forward`](Self::forward) gives them.
    pub fn suffix(
        &self,
        stage: Stage<B>,
        texts: &TokenBatch,
        cut: Cut,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 2> {
        let end = Cut::block(self.blocks.len());
        let readout = Readout::At(texts.ends());
        let stage = stage.advance(&self.blocks, cut, end, &readout, dropout);
        let [n, _, d] = stage.stream.dims();
        let end = normalise(&self.norm, stage.stream).reshape([n, d]);
        self.projection.forward(end, dropout)
    }

    /// The residual stream `[n, tokens, d_model]` before the first block.
    fn embed(&self, texts: &TokenBatch) -> Tensor<B, 3> {
        let (n, len) = (texts.len(), texts.longest());
        let [vocabulary, d] = self.token_embed.val().dims();
        let context = self.positions.val().dims()[1];
        assert!(
            len <= context,
            "TextTower::forward: expected at most {context} tokens, found {len}; shorten the text"
        );
        let device = self.token_embed.val().device();
        let ids = texts.padded(len);
        let outside = ids.iter().find(|id| **id as usize >= vocabulary);
        assert!(
            outside.is_none(),
            "TextTower::forward: expected token ids below {vocabulary}, found {outside:?}; use the \
             tokenizer that the model was trained with"
        );
        let ids: Vec<i64> = ids.into_iter().map(i64::from).collect();
        let ids = TensorData::new(ids, [n * len]);
        let ids: Tensor<B, 1, Int> = Tensor::from_data(ids, &device);
        let tokens = self.token_embed.val().select(0, ids).reshape([n, len, d]);
        tokens + self.positions.val().slice([0..1, 0..len, 0..d])
    }

    pub(super) fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        Ok(Self {
            blocks: super::map_blocks("text", self.blocks, f)?,
            projection: f("text.projection", self.projection)?,
            ..self
        })
    }
}
