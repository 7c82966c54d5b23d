use std::collections::BTreeSet;

use burn::tensor::{Tensor, backend::Backend};
use dacapo_rng::DropoutKey;

/// A model whose forward pass can be computed in two parts, so that what comes before its first
/// trainable tensor is computed once per sample ([`FrozenPrefix`](crate::FrozenPrefix)).
///
/// A `Vec` of [`Layer`](crate::Layer)s is one already. A model of one's own says where it can be cut, and what a
/// sample is there: one tensor or several, `[n, ..]` each. Example, a stack with an embedding in
/// front and a head behind:
///
/// ```
/// use std::collections::BTreeSet;
/// # use burn::module::Module;
/// # use burn::nn::Linear;
/// # use burn::tensor::{Tensor, backend::Backend};
/// # use dacapo_rng::DropoutKey;
/// use dacapo_prefix::{Layer, SplitForward, first_trainable_layer};
///
/// #[derive(Module, Debug)]
/// struct Net<B: Backend> {
///     embed: Linear<B>,
///     layers: Vec<Linear<B>>,
///     head: Linear<B>,
/// }
///
/// impl<B: Backend> SplitForward<B, 3> for Net<B> {
///     type Output = Tensor<B, 3>;
///     /// Before this layer.
///     type Cut = usize;
///
///     fn start() -> usize {
///         0
///     }
///
///     fn cut(&self, trainable: &BTreeSet<String>) -> Option<usize> {
///         let embed = trainable.iter().any(|path| path.starts_with("embed."));
///         (!embed).then(|| first_trainable_layer("layers", self.layers.len(), trainable))
///     }
///
///     fn prefix(
///         &self,
///         x: Tensor<B, 3>,
///         cut: usize,
///         _: Option<&DropoutKey>,
///     ) -> Vec<Tensor<B, 3>> {
///         let begin = self.layers[..cut].iter();
///         vec![begin.fold(self.embed.forward(x), |x, layer| layer.forward(x))]
///     }
///
///     fn suffix(
///         &self,
///         mut parts: Vec<Tensor<B, 3>>,
///         cut: usize,
///         _: Option<&DropoutKey>,
///     ) -> Tensor<B, 3> {
///         let end = self.layers[cut..].iter();
///         self.head.forward(end.fold(parts.remove(0), |x, layer| layer.forward(x)))
///     }
/// }
/// ```
///
/// `D` is the rank of what the model gets, a batch of samples.
pub trait SplitForward<B: Backend, const D: usize> {
    /// What the model gives for it.
    type Output;
    /// A place to cut, later ones larger.
    type Cut: Copy + Ord;

    /// The place before which nothing is worth keeping.
    fn start() -> Self::Cut;

    /// The latest place before every tensor whose stable path, within this model, is in `trainable`;
    /// `None` if one of them comes before any place.
    fn cut(&self, trainable: &BTreeSet<String>) -> Option<Self::Cut>;

    /// The forward pass up to `cut`: parts `[n, ..]`, each sample's row its own. Where `dropout` is
    /// `None`, nothing in it may be random.
    fn prefix(
        &self,
        input: Tensor<B, D>,
        cut: Self::Cut,
        dropout: Option<&DropoutKey>,
    ) -> Vec<Tensor<B, 3>>;

    /// The rest of the forward pass.
    fn suffix(
        &self,
        parts: Vec<Tensor<B, 3>>,
        cut: Self::Cut,
        dropout: Option<&DropoutKey>,
    ) -> Self::Output;

    /// The whole forward pass.
    fn forward_whole(&self, input: Tensor<B, D>, dropout: Option<&DropoutKey>) -> Self::Output {
        let parts = self.prefix(input, Self::start(), dropout);
        self.suffix(parts, Self::start(), dropout)
    }
}
