use serde::{Deserialize, Serialize};

/// What stands between the two layers of a perceptron.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// The exact GELU (Hendrycks and Gimpel, "Gaussian Error Linear Units",
    /// 2016: with `erf`, not its `tanh` approximation).
    #[default]
    Gelu,
    /// x·sigmoid(1.702·x), the approximation that OpenAI's CLIP was trained with.
    QuickGelu,
}
