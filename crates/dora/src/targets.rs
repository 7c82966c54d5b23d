use burn::tensor::backend::Backend;

use crate::{DoraConv2d, DoraEmbedding, DoraError, DoraFusedLinear, DoraLinear};

/// A model whose layers can be adapted.
///
/// There is a method for each kind of layer. All but the first leave a model alone
/// unless they are implemented: a model without layers of a kind, its own or its
/// modules', needs no method for it.
///
/// # Deriving it
///
/// `#[derive(DoraTargets)]` on a struct with a type parameter `B`, the backend,
/// maps every field whose type is a target itself, in the order of declaration, and
/// leaves every other field alone. Targets are
///
/// * [`DoraLinear`], [`DoraEmbedding`], [`DoraConv2d`] and [`DoraFusedLinear`],
/// * types that implement the trait, derived or by hand,
/// * the struct's other type parameters, which must be targets for it to be one,
/// * `Option`, `Vec` and arrays of targets.
///
/// A layer's path is then the one that burn's `Module` gives it: the names of fields
/// and the indices of elements, with dots between them (`blocks.0.attn.out_proj`).
///
/// A module that is *not* a target, because nobody derived it, is left alone with
/// all its layers, as is a layer norm. Where that would be a mistake, say so:
///
/// | attribute | of | |
/// |---|---|---|
/// | `#[dora(nested)]` | a field | must be a target, or the program does not compile |
/// | `#[dora(skip)]` | a field | is left alone even if it is a target |
/// | `#[dora(crate = "path")]` | the struct | where this crate lies, if not at `::dacapo_dora` |
///
/// The crate's documentation has an example. Without `nested` this compiles, and the
/// norm is left alone:
///
/// ```compile_fail
/// # use burn::nn::LayerNorm;
/// # use burn::tensor::backend::Backend;
/// # use dacapo_dora::DoraTargets;
/// #[derive(DoraTargets)]
/// struct Block<B: Backend> {
///     #[dora(nested)]
///     norm: LayerNorm<B>,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "DoRA knows no layers of `{Self}`",
    label = "is no target",
    note = "derive or implement `DoraTargets` for it, or leave the field out by `#[dora(skip)]`"
)]
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

/// The path of what lies at `path` in the field `name`; `path` is empty for the field itself.
pub(crate) fn join(name: &str, path: &str) -> String {
    match (name, path) {
        ("", path) => path.to_owned(),
        (name, "") => name.to_owned(),
        (name, path) => format!("{name}.{path}"),
    }
}

/// Maps the layers of `$target` by `$f`, with `$name` before their paths. Through `dyn`, so that no
/// type grows with a model's depth.
macro_rules! below {
    ($target:expr, $map:ident, $name:expr, $f:expr) => {{
        let mut f: &mut dyn FnMut(&str, _) -> Result<_, DoraError> =
            &mut |path: &str, layer| $f(&crate::targets::join($name, path), layer);
        $target.$map(&mut f)
    }};
}
pub(crate) use below;
