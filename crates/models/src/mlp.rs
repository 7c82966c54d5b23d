use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_dora::{DoraError, DoraLinear, KeyedDropout};
use dacapo_ops::{Activation, activate, perceptron_onto};
use dacapo_rng::DropoutKey;

use crate::block_config::BlockConfig;
use crate::initial::Initial;

/// The two-layer perceptron of a transformer block.
#[derive(Module, Debug)]
pub struct Mlp<B: Backend> {
    /// `[d_model, d_mlp]`.
    pub fc1: DoraLinear<B>,
    /// `[d_mlp, d_model]`.
    pub fc2: DoraLinear<B>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    pub(crate) dropout: KeyedDropout,
}

impl<B: Backend> Mlp<B> {
    /// Draws fc1, fc2 in that order. `path` is this module's stable path.
    pub(crate) fn init(config: &BlockConfig, path: &str, initial: &mut impl Initial<B>) -> Self {
        let (d_model, d_mlp) = (config.d_model, config.d_mlp);
        Self {
            fc1: initial.linear(d_model, d_mlp, true),
            fc2: initial.linear(d_mlp, d_model, true),
            activation: config.activation,
            dropout: KeyedDropout::new(config.dropout, format!("{path}.dropout")),
        }
    }

    /// `[n, tokens, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 3> {
        let (hidden, bias) = self.fc1.forward_unbiased(x, dropout);
        let hidden = activate(hidden, bias, self.activation);
        let y = self.fc2.forward(hidden, dropout);
        self.dropout.apply(y, dropout)
    }

    /// `beside + forward(x)` with the same bits.
    pub(crate) fn forward_onto(
        &self,
        beside: Tensor<B, 3>,
        x: Tensor<B, 3>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        let precision = self.fc1.precision();
        if self.dropout.is_active(dropout) || precision != self.fc2.precision() {
            return beside + self.forward(x, dropout);
        }
        match (self.fc1.affine(dropout), self.fc2.affine(dropout)) {
            (Some(first), Some(second)) => {
                perceptron_onto(beside, x, [first, second], self.activation, precision)
            }
            _ => beside + self.forward(x, dropout),
        }
    }

    pub(crate) fn map_linears<F>(self, path: &str, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        Ok(Self {
            fc1: f(&format!("{path}.fc1"), self.fc1)?,
            fc2: f(&format!("{path}.fc2"), self.fc2)?,
            ..self
        })
    }
}
