use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_dora::{DoraError, DoraLinear};
use dacapo_rng::DropoutKey;

use crate::block_config::BlockConfig;
use crate::initial::Initial;
use crate::norm::{layer_norm_of, normalise};
use crate::readout::Asking;
use crate::{Attention, Mlp};

/// A pre-norm transformer block: `x + attn(norm1(x))`, then
/// `x + mlp(norm2(x))`.
#[derive(Module, Debug)]
pub struct Block<B: Backend> {
    /// Before the attention.
    pub norm1: LayerNorm<B>,
    /// Self-attention.
    pub attn: Attention<B>,
    /// Before the perceptron.
    pub norm2: LayerNorm<B>,
    /// The perceptron.
    pub mlp: Mlp<B>,
}

impl<B: Backend> Block<B> {
    /// Draws attn, mlp in that order. `path` is this module's stable path.
    pub(crate) fn init(config: &BlockConfig, path: &str, initial: &mut impl Initial<B>) -> Self {
        let norm = || layer_norm_of(config.d_model, initial.device());
        let (norm1, norm2) = (norm(), norm());
        Self {
            norm1,
            attn: Attention::init(config, &format!("{path}.attn"), initial),
            norm2,
            mlp: Mlp::init(config, &format!("{path}.mlp"), initial),
        }
    }

    /// `[n, tokens, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 3> {
        let joined = self.joined(x.clone(), None, dropout);
        self.project(x, joined, dropout)
    }

    /// What the attention's output projection gets: of all tokens of `x`, or of those that are
    /// `asking`.
    pub(crate) fn joined(
        &self,
        x: Tensor<B, 3>,
        asking: Option<Asking<'_, B>>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        // Normalised by themselves, and not taken from among all, whose gradient would be zeros but
        // for them.
        let asking = asking.map(|asking| Asking {
            tokens: normalise(&self.norm1, asking.tokens),
            ..asking
        });
        self.attn.joined(normalise(&self.norm1, x), asking, dropout)
    }

    /// The rest of the block, of the residual stream `x` and what [`joined`](Self::joined)
    /// gave.
    pub(crate) fn project(
        &self,
        x: Tensor<B, 3>,
        joined: Tensor<B, 3>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        let x = self.attn.project_onto(x, joined, dropout);
        let normalised = normalise(&self.norm2, x.clone());
        self.mlp.forward_onto(x, normalised, dropout)
    }

    pub(crate) fn map_linears<F>(self, path: &str, f: &mut F) -> Result<Self, DoraError>
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
