use burn::module::{Module, Param};
use burn::nn::LayerNorm;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_dora::KeyedDropout;
use dacapo_rng::DropoutKey;

use super::BertConfig;
use crate::initial::Initial;
use crate::norm::{layer_norm_with, normalise_with};

/// What BERT makes of token ids: tokens, positions and the one type of token, and a norm.
#[derive(Module, Debug)]
pub struct BertEmbeddings<B: Backend> {
    /// `[vocabulary, d_model]`.
    pub tokens: Param<Tensor<B, 2>>,
    /// `[1, context, d_model]`.
    pub positions: Param<Tensor<B, 3>>,
    /// `[1, 1, d_model]`, the first of the published rows: there is no second sentence.
    pub token_type: Param<Tensor<B, 3>>,
    /// After their sum.
    pub norm: LayerNorm<B>,
    #[module(skip)]
    eps: f64,
    #[module(skip)]
    pub(super) dropout: KeyedDropout,
}

impl<B: Backend> BertEmbeddings<B> {
    /// Draws tokens, positions, token_type in that order. `path` is this module's stable path.
    pub(super) fn init(config: &BertConfig, path: &str, initial: &mut impl Initial<B>) -> Self {
        let d = config.d_model;
        let norm = layer_norm_with(d, config.eps, initial.device());
        Self {
            tokens: initial.tokens([config.vocabulary, d]),
            positions: initial.tokens([1, config.context, d]),
            token_type: initial.tokens([1, 1, d]),
            norm,
            eps: config.eps,
            dropout: KeyedDropout::new(config.dropout, format!("{path}.dropout")),
        }
    }

    /// The residual stream `[n, tokens, d_model]` of `input` `[n, tokens]`, ids and below zero
    /// padding.
    pub(super) fn forward(
        &self,
        input: Tensor<B, 2>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        let [n, len] = input.dims();
        let [_, context, d] = self.positions.val().dims();
        assert!(
            len <= context,
            "Bert::forward: expected at most {context} tokens, found {len}; shorten the sentences"
        );
        // Nothing that is read depends on what stands for padding; transformers puts token 0 there.
        let ids = input.clamp_min(0.0).int().reshape([n * len]);
        let tokens = self.tokens.val().select(0, ids).reshape([n, len, d]);
        let positions = self.positions.val().slice([0..1, 0..len, 0..d]);
        let x = tokens + self.token_type.val() + positions;
        let x = normalise_with(&self.norm, x, self.eps);
        self.dropout.apply(x, dropout)
    }
}
