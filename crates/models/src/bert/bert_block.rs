use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_dora::{DoraError, DoraLinear};
use dacapo_rng::DropoutKey;

use super::BertConfig;
use crate::initial::Initial;
use crate::norm::{layer_norm_with, normalise_with};
use crate::{Attention, Mlp};

/// A post-norm transformer block: `norm1(x + attn(x))`, then `norm2(x + mlp(x))`.
#[derive(Module, Debug)]
pub struct BertBlock<B: Backend> {
    /// Self-attention.
    pub attn: Attention<B>,
    /// After the attention.
    pub norm1: LayerNorm<B>,
    /// The perceptron.
    pub mlp: Mlp<B>,
    /// After the perceptron.
    pub norm2: LayerNorm<B>,
    #[module(skip)]
    eps: f64,
}

impl<B: Backend> BertBlock<B> {
    /// Draws attn, mlp in that order. `path` is this module's stable path.
    pub(super) fn init(config: &BertConfig, path: &str, initial: &mut impl Initial<B>) -> Self {
        let (block, eps) = (config.block(), config.eps);
        let norm = || layer_norm_with(config.d_model, eps, initial.device());
        let (norm1, norm2) = (norm(), norm());
        Self {
            attn: Attention::init(&block, &format!("{path}.attn"), initial),
            norm1,
            mlp: Mlp::init(&block, &format!("{path}.mlp"), initial),
            norm2,
            eps,
        }
    }

    /// What the attention's output projection gets of `x` `[n, tokens, d_model]`; `padding`
    /// `[n, 1, 1, tokens]` is minus infinity for tokens that are none.
    pub(super) fn joined(
        &self,
        x: Tensor<B, 3>,
        padding: Tensor<B, 4>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        self.attn.joined_beside_padding(x, padding, dropout)
    }

    /// The rest of the block, of the residual stream `x` and what [`joined`](Self::joined) gave.
    pub(super) fn project(
        &self,
        x: Tensor<B, 3>,
        joined: Tensor<B, 3>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        let x = self.attn.project_onto(x, joined, dropout);
        let x = normalise_with(&self.norm1, x, self.eps);
        let x = self.mlp.forward_onto(x.clone(), x, dropout);
        normalise_with(&self.norm2, x, self.eps)
    }

    pub(super) fn map_linears<F>(self, path: &str, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        Ok(Self {
            attn: self.attn.map_linears(&format!("{path}.attn"), f)?,
            mlp: self.mlp.map_linears(&format!("{path}.mlp"), f)?,
            ..self
        })
    }
}
