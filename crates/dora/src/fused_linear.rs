use std::collections::BTreeSet;

use burn::module::{Param, ParamId};
use burn::nn::Linear;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_ops::Precision;
use dacapo_rng::{DropoutKey, Stream};

use crate::init::{default_dtype, kaiming_bound, uniform};
use crate::math::constant;
use crate::merged::MergedWeight;
use crate::{DoraAdapter, DoraConfig, DoraError, DoraLinear, FusedPart};

/// Linear layers of the same input whose weights lie side by side in one, such as
/// the queries, keys and values of an attention, of which each may carry a DoRA
/// adapter of its own. Their widths may differ, as with grouped queries.
///
/// A part is a [`DoraLinear`] of its slice of weight and bias: outputs, gradients
/// and initial values are that layer's, to the bit, whatever adapters the other
/// parts have; the gradient of x is the sum of theirs. So there is a product for
/// each part, and the whole is equal to Burn's one [`Linear`] within rounding.
///
/// The first part has the first outputs. Weights that interleave the parts by
/// heads (GPT-NeoX, BLOOM) are to be sorted before.
///
/// Parameter paths are `<layer>.weight`, `<layer>.bias` and
/// `<layer>.<part>.adapter.{magnitude,lora_a,lora_b}`; a part's path, which
/// patterns match and which keys its dropout, is `<layer>.<part>`. A record has
/// the parts by their order.
#[derive(Debug, Clone)]
pub struct DoraFusedLinear<B: Backend> {
    /// The base weights, `[in, out]` with out = the sum of the parts' widths.
    pub weight: Param<Tensor<B, 2>>,
    /// The biases, `[out]`.
    pub bias: Option<Param<Tensor<B, 1>>>,
    pub(crate) parts: Vec<FusedPart<B>>,
    pub(crate) precision: Precision,
}

impl<B: Backend> DoraFusedLinear<B> {
    /// Layers without adapters in the backend's default float type, of `d_in`
    /// inputs and `parts`, names and widths: drawn as a [`DoraLinear::init`] of all
    /// outputs.
    ///
    /// # Errors
    /// [`DoraError::InvalidParts`]; nothing is drawn then.
    ///
    /// # Panics
    /// If `d_in` is 0.
    pub fn init(
        d_in: usize,
        parts: &[(&str, usize)],
        bias: bool,
        stream: &mut Stream,
        device: &B::Device,
    ) -> Result<Self, DoraError> {
        assert!(
            d_in > 0,
            "DoraFusedLinear::init: expected at least one input"
        );
        let d_out = check_parts(parts)?;
        let dtype = default_dtype::<B>(device);
        let bound = kaiming_bound(d_in);
        let weight = uniform([d_in, d_out], bound, stream, dtype, device);
        let bias = bias.then(|| uniform([d_out], bound, stream, dtype, device));
        let bias = bias.map(Param::from_tensor);
        Self::from_params(Param::from_tensor(weight), bias, parts)
    }

    /// The same layer, in named parts without adapters; parameters and their ids are
    /// kept.
    ///
    /// # Errors
    /// [`DoraError::InvalidParts`].
    pub fn from_linear(linear: Linear<B>, parts: &[(&str, usize)]) -> Result<Self, DoraError> {
        Self::from_params(linear.weight, linear.bias, parts)
    }

    /// Layers without adapters of `weight` `[in, out]` and `bias` `[out]`; `parts`
    /// are names and widths.
    ///
    /// # Errors
    /// [`DoraError::InvalidParts`] unless there is a part, all widths are at least 1
    /// and sum up to out, and the names differ from each other and from `weight` and
    /// `bias`, are not empty and have no dot.
    pub fn from_params(
        weight: Param<Tensor<B, 2>>,
        bias: Option<Param<Tensor<B, 1>>>,
        parts: &[(&str, usize)],
    ) -> Result<Self, DoraError> {
        let d_out = weight.lazy_shape()[1];
        if check_parts(parts)? != d_out {
            return Err(DoraError::InvalidParts {
                expected: format!("widths that sum up to its {d_out} outputs"),
                found: format!("{parts:?}"),
            });
        }
        let parts = parts
            .iter()
            .map(|(name, width)| FusedPart::new(name, *width));
        Ok(Self {
            weight,
            bias,
            parts: parts.collect(),
            precision: Precision::F32,
        })
    }

    /// The same layers with their matrix products, and those of their adapters, in
    /// `precision`; F32 before. Unmerges. Not part of the record.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        for part in &mut self.parts {
            let adapter = part.adapter.take();
            part.adapter = adapter.map(|adapter| adapter.with_precision(precision));
        }
        self.precision = precision;
        self.unmerge()
    }

    /// The precision of their matrix products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Number of inputs.
    pub fn d_in(&self) -> usize {
        self.weight.lazy_shape()[0]
    }

    /// Number of outputs of all parts.
    pub fn d_out(&self) -> usize {
        self.weight.lazy_shape()[1]
    }

    /// The parts in the order of their outputs.
    pub fn parts(&self) -> &[FusedPart<B>] {
        &self.parts
    }

    /// Name and stable path of each part, that of the whole being `layer`.
    pub(crate) fn part_paths(&self, layer: &str) -> Vec<(String, String)> {
        let paths = self.parts.iter();
        paths
            .map(|part| (part.name().to_owned(), part.path(layer)))
            .collect()
    }

    /// Adds a new adapter to a part, as [`DoraLinear::attach`], and freezes weight
    /// and bias of all parts. `path` is the part's stable path.
    ///
    /// # Errors
    /// [`DoraError::UnknownPart`], those of [`DoraLinear::attach`], and
    /// [`DoraError::UnsupportedInit`] where the adapter would take from the base.
    pub fn attach(
        self,
        part: &str,
        config: &DoraConfig,
        path: &str,
        stream: &mut Stream,
    ) -> Result<Self, DoraError> {
        let d_in = self.d_in();
        if let Some(known) = self.parts.iter().find(|known| known.name() == part) {
            known.check_attachable(config, path, d_in)?;
        }
        self.adapt(part, |layer| layer.attach(config, path, stream))
    }

    /// Adds a given adapter to a part, and freezes weight and bias of all parts.
    ///
    /// # Errors
    /// [`DoraError::UnknownPart`], and those of [`DoraLinear::with_adapter`].
    pub fn with_adapter(self, part: &str, adapter: DoraAdapter<B>) -> Result<Self, DoraError> {
        self.adapt(part, |layer| layer.with_adapter(adapter))
    }

    fn adapt(
        mut self,
        part: &str,
        adapt: impl FnOnce(DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    ) -> Result<Self, DoraError> {
        let Some(at) = self.parts.iter().position(|known| known.name() == part) else {
            return Err(DoraError::UnknownPart {
                part: part.to_owned(),
                available: self.parts.iter().map(|p| p.name().to_owned()).collect(),
            });
        };
        let layer = self.layers().swap_remove(at);
        self.parts[at].adapter = adapt(layer)?.adapter;
        self.parts[at].merged = MergedWeight(None);
        Ok(Self {
            weight: self.weight.set_require_grad(false),
            bias: self.bias.map(|bias| bias.set_require_grad(false)),
            ..self
        })
    }

    /// Drops the adapters of all parts. Weight and bias are as before them, bit for
    /// bit, and stay frozen.
    pub fn detach(self) -> Self {
        let parts = self.parts.iter();
        let parts = parts.map(|part| FusedPart::new(part.name(), part.width()));
        Self {
            parts: parts.collect(),
            ..self
        }
    }

    /// Each part as a layer of its own, for one use.
    pub(crate) fn layers(&self) -> Vec<DoraLinear<B>> {
        let (weight, d_in) = (self.weight.val(), self.d_in());
        let bias = self.bias.as_ref().map(Param::val);
        let mut start = 0;
        let layer = |part: &FusedPart<B>| {
            let outputs = start..start + part.width();
            start = outputs.end;
            let weight = weight.clone().slice([0..d_in, outputs.clone()]);
            // Flattened, so that it is laid out as a weight of its own: of a view, a backend
            // may sum in another order.
            let weight = weight.reshape([d_in * part.width()]);
            let weight = weight.reshape([d_in, part.width()]);
            let bias = bias.clone().map(|bias| bias.slice(outputs));
            let mut layer = DoraLinear::from_params(shared(weight), bias.map(shared))
                .with_precision(self.precision);
            layer.adapter = part.adapter.clone();
            layer.merged = part.merged.clone();
            layer
        };
        self.parts.iter().map(layer).collect()
    }

    /// `[.., out]` for `x` `[.., in]`, the parts' outputs side by side. `dropout`
    /// acts on the adapters, if any; `None` evaluates.
    pub fn forward<const D: usize>(
        &self,
        x: Tensor<B, D>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, D> {
        Tensor::cat(self.forward_parts(x, dropout), D - 1)
    }

    /// [`forward`](Self::forward) with the output of each part, `[.., width]`, by
    /// itself, in order.
    pub fn forward_parts<const D: usize>(
        &self,
        x: Tensor<B, D>,
        dropout: Option<&DropoutKey>,
    ) -> Vec<Tensor<B, D>> {
        let layers = self.layers().into_iter();
        layers
            .map(|layer| layer.forward(x.clone(), dropout))
            .collect()
    }

    /// The one weight `[in, out]` that does the work of bases and adapters.
    /// Differentiable in the adapters.
    pub fn merged_weight(&self) -> Tensor<B, 2> {
        let layers = self.layers();
        Tensor::cat(layers.iter().map(DoraLinear::merged_weight).collect(), 1)
    }

    /// Merges every part that has an adapter, as [`DoraLinear::merge`].
    pub fn merge(mut self) -> Self {
        for (part, layer) in self.layers().into_iter().enumerate() {
            self.parts[part].merged = layer.merge().merged;
        }
        self
    }

    /// Undoes [`merge`](Self::merge), exactly: nothing had been overwritten.
    pub fn unmerge(mut self) -> Self {
        for part in &mut self.parts {
            part.merged = MergedWeight(None);
        }
        self
    }

    /// Whether forward passes use a merged weight for some part.
    pub fn is_merged(&self) -> bool {
        self.parts.iter().any(|part| part.merged.0.is_some())
    }

    /// A plain Burn layer of the merged weight; bases and adapters are gone. Without
    /// an adapter, the layer's own parameters.
    pub fn into_linear(self) -> Linear<B> {
        let adapted = self.parts.iter().any(|part| part.adapter.is_some());
        let weight = match adapted {
            true => Param::from_tensor(constant(self.merged_weight())),
            false => self.weight,
        };
        Linear {
            weight,
            bias: self.bias,
        }
    }
}

/// A parameter that is no leaf, for one forward pass.
fn shared<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Param<Tensor<B, D>> {
    Param::initialized(ParamId::from(0), tensor)
}

/// The sum of the widths.
fn check_parts(parts: &[(&str, usize)]) -> Result<usize, DoraError> {
    let refuse = |expected: &str, found: String| {
        Err(DoraError::InvalidParts {
            expected: expected.to_owned(),
            found,
        })
    };
    let mut seen = BTreeSet::from(["weight", "bias"]);
    let mut d_out = Some(0_usize);
    for (name, width) in parts {
        if name.is_empty() || name.contains('.') || !seen.insert(name) {
            let expected = "distinct names without dots, other than `weight` and `bias`";
            return refuse(expected, format!("`{name}`"));
        }
        if *width == 0 {
            return refuse("at least one output each", format!("none for `{name}`"));
        }
        d_out = d_out.and_then(|sum| sum.checked_add(*width));
    }
    match d_out {
        Some(0) => refuse("at least one", "none".to_owned()),
        Some(d_out) => Ok(d_out),
        None => refuse("widths whose sum is a number", format!("{parts:?}")),
    }
}
