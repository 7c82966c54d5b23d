use burn::tensor::backend::Backend;

use crate::{DoraConv2d, DoraEmbedding, DoraError, DoraFusedLinear, DoraLinear};

/// A model whose layers can be adapted.
///
/// There is a method for each kind of layer. All but the first leave a model alone
/// unless they are implemented: a model without layers of a kind, its own or its
/// modules', needs no method for it.
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

    /// [`map_linears`](Self::map_linears) for embeddings.
    ///
    /// # Errors
    /// The first error of `f`.
    fn map_embeddings<F>(self, _f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraEmbedding<B>) -> Result<DoraEmbedding<B>, DoraError>,
    {
        Ok(self)
    }

    /// [`map_linears`](Self::map_linears) for convolutions.
    ///
    /// # Errors
    /// The first error of `f`.
    fn map_convs<F>(self, _f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraConv2d<B>) -> Result<DoraConv2d<B>, DoraError>,
    {
        Ok(self)
    }

    /// [`map_linears`](Self::map_linears) for linear layers in one weight. `f` gets
    /// the path of the whole; a part's has its name after it.
    ///
    /// # Errors
    /// The first error of `f`.
    fn map_fused<F>(self, _f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraFusedLinear<B>) -> Result<DoraFusedLinear<B>, DoraError>,
    {
        Ok(self)
    }
}
