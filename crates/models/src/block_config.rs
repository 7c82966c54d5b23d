use crate::Activation;

/// What a transformer block is made of, whatever model it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct BlockConfig {
    pub(crate) d_model: usize,
    pub(crate) heads: usize,
    pub(crate) d_mlp: usize,
    pub(crate) activation: Activation,
    /// Whether a token attends to itself and those before it only.
    pub(crate) causal: bool,
    /// Dropout probability after the attention and the MLP.
    pub(crate) dropout: f64,
}
