use burn::tensor::{
    Tensor,
    activation::{gelu, sigmoid},
    backend::Backend,
};
use serde::{Deserialize, Serialize};

/// What stands between the two layers of a perceptron.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// The exact GELU (Hendrycks and Gimpel, "Gaussian Error Linear Units",
    /// 2016: with `erf`, not its `tanh` approximation).
    #[default]
    Gelu,
    /// x·sigmoid(1.702·x), the approximation that OpenAI's CLIP was trained with.
    QuickGelu,
}

impl Activation {
    pub(crate) fn forward<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Gelu => gelu(x),
            Self::QuickGelu => sigmoid(x.clone().mul_scalar(1.702)) * x,
        }
    }
}
