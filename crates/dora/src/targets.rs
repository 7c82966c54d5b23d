use burn::tensor::backend::Backend;

use crate::{DoraError, DoraLinear};

/// A model whose linear layers can be adapted.
pub trait DoraTargets<B: Backend>: Sized {
    /// Replaces every linear layer by what `f` makes of it, in a fixed order.
    ///
    /// `f` gets the layer's stable path (`blocks.0.attn.out_proj`): the prefix
    /// of its parameters' paths, unique in the model. The order decides which
    /// layer gets which initial values, so it must never depend on anything
    /// but the model's architecture.
    ///
    /// # Errors
    /// The first error of `f`.
    fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>;
}
