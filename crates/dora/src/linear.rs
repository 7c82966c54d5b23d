use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_ops::{Affine, Precision, linear, linear_onto};
use dacapo_rng::{DropoutKey, Stream};

use crate::init::{default_dtype, kaiming_bound, uniform};
use crate::math::constant;
use crate::merged::MergedWeight;
use crate::{DoraAdapter, DoraConfig, DoraError};

/// A linear layer that may carry a DoRA adapter.
///
/// One struct for both states, so that parameter paths stay `<path>.weight`,
/// `<path>.bias` and `<path>.adapter.{magnitude,lora_a,lora_b}` (an enum would
/// put its variant's name into them).
#[derive(Module, Debug)]
pub struct DoraLinear<B: Backend> {
    /// The base weight, `[in, out]` as Burn's [`Linear`] stores it.
    pub weight: Param<Tensor<B, 2>>,
    /// The bias, `[out]`.
    pub bias: Option<Param<Tensor<B, 1>>>,
    /// The adapter, once attached.
    pub adapter: Option<DoraAdapter<B>>,
    pub(crate) merged: MergedWeight<B>,
    #[module(skip)]
    precision: Precision,
}

impl<B: Backend> DoraLinear<B> {
    /// A layer without adapter in the backend's default float type, weight and
    /// bias uniform in `[-1/sqrt(in), 1/sqrt(in))`: `in * out` draws for the
    /// weight, row by row in `[in, out]` order, then `out` for the bias.
    ///
    /// # Panics
    /// If `d_in` or `d_out` is 0.
    pub fn init(
        d_in: usize,
        d_out: usize,
        bias: bool,
        stream: &mut Stream,
        device: &B::Device,
    ) -> Self {
        assert!(
            d_in > 0 && d_out > 0,
            "DoraLinear::init: expected at least one input and one output, found {d_in} -> {d_out}"
        );
        let dtype = default_dtype::<B>(device);
        let bound = kaiming_bound(d_in);
        let weight = uniform([d_in, d_out], bound, stream, dtype, device);
        let bias = bias.then(|| uniform([d_out], bound, stream, dtype, device));
        Self::from_params(Param::from_tensor(weight), bias.map(Param::from_tensor))
    }

    /// The same layer without adapter; parameters and their ids are kept.
    pub fn from_linear(linear: Linear<B>) -> Self {
        Self::from_params(linear.weight, linear.bias)
    }

    /// A layer without adapter of `weight` `[in, out]` and `bias` `[out]`.
    pub fn from_params(weight: Param<Tensor<B, 2>>, bias: Option<Param<Tensor<B, 1>>>) -> Self {
        Self {
            weight,
            bias,
            adapter: None,
            merged: MergedWeight(None),
            precision: Precision::F32,
        }
    }

    /// The same layer with its matrix products, and those of its adapter, in
    /// `precision`; F32 before. Unmerges. Not part of the record.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self {
            adapter: self
                .adapter
                .map(|adapter| adapter.with_precision(precision)),
            merged: MergedWeight(None),
            precision,
            ..self
        }
    }

    /// The precision of its matrix products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Number of inputs.
    pub fn d_in(&self) -> usize {
        self.weight.lazy_shape()[0]
    }

    /// Number of outputs.
    pub fn d_out(&self) -> usize {
        self.weight.lazy_shape()[1]
    }

    /// Adds a new adapter ([`DoraAdapter::init`]) and freezes weight and bias, the weight without
    /// what the adapter begins with, if that is taken from it.
    /// `path` is the layer's stable path: it keys the dropout masks.
    ///
    /// Other layers of the model are as trainable as before. To train adapters
    /// only, call `no_grad()` on the whole model *before* attaching. Attach on
    /// the autodiff backend: on a plain one no parameter can be marked as
    /// trainable, and `train()` would then leave the adapter frozen.
    ///
    /// # Errors
    /// [`DoraError::AlreadyAttached`], and those of [`DoraAdapter::init`].
    pub fn attach(
        self,
        config: &DoraConfig,
        path: &str,
        stream: &mut Stream,
    ) -> Result<Self, DoraError> {
        self.check_attachable(config, path)?;
        let (adapter, base) = DoraAdapter::init(self.weight.val(), config, path, stream)?;
        let weight = match config.init.takes_from_base() {
            true => Param::initialized(self.weight.id, base),
            false => self.weight,
        };
        Self { weight, ..self }.with_adapter(adapter)
    }

    /// Adds a given adapter and freezes weight and bias.
    ///
    /// # Errors
    /// [`DoraError::AlreadyAttached`], or [`DoraError::ShapeMismatch`] if the
    /// adapter was made for a layer of another size.
    pub fn with_adapter(self, adapter: DoraAdapter<B>) -> Result<Self, DoraError> {
        let path = adapter.path().to_owned();
        self.check_attachable(adapter.config(), &path)?;
        adapter.check_shapes([self.d_in(), self.d_out()])?;
        Ok(Self {
            weight: self.weight.set_require_grad(false),
            bias: self.bias.map(|bias| bias.set_require_grad(false)),
            adapter: Some(adapter.with_precision(self.precision)),
            merged: MergedWeight(None),
            precision: self.precision,
        })
    }

    /// The checks of [`attach`](Self::attach) that need no arithmetic.
    pub(crate) fn check_attachable(
        &self,
        config: &DoraConfig,
        path: &str,
    ) -> Result<(), DoraError> {
        if let Some(adapter) = &self.adapter {
            return Err(DoraError::AlreadyAttached {
                path: path.to_owned(),
                attached: adapter.path().to_owned(),
            });
        }
        config.check_for(path, self.d_in(), self.d_out())
    }

    /// Drops the adapter. Weight and bias are as before it, bit for bit, and
    /// stay frozen; but a weight that A and B were taken from lacks them then.
    pub fn detach(self) -> Self {
        Self {
            adapter: None,
            merged: MergedWeight(None),
            ..self
        }
    }

    /// `[.., out]` for `x` `[.., in]`. `dropout` acts on the adapter, if any;
    /// `None` evaluates. A merged layer has no dropout and passes gradients to
    /// `x` and bias only.
    pub fn forward<const D: usize>(
        &self,
        x: Tensor<B, D>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, D> {
        let bias = self.bias.as_ref().map(Param::val);
        match (&self.merged.0, &self.adapter) {
            (Some(merged), _) => linear(x, merged.clone(), bias, self.precision),
            (None, Some(adapter)) => adapter.forward(x, self.weight.val(), bias, dropout),
            (None, None) => linear(x, self.weight.val(), bias, self.precision),
        }
    }

    /// [`forward`](Self::forward) in two: the output without the bias, and the bias `[out]`, for
    /// whoever adds it along with an operation that follows. Where a layer has none, or the
    /// adapter needs it before, the second is `None` and the first is all.
    pub fn forward_unbiased<const D: usize>(
        &self,
        x: Tensor<B, D>,
        dropout: Option<&DropoutKey>,
    ) -> (Tensor<B, D>, Option<Tensor<B, 1>>) {
        let bias = self.bias.as_ref().map(Param::val);
        match (&self.merged.0, &self.adapter) {
            (Some(merged), _) => (linear(x, merged.clone(), None, self.precision), bias),
            (None, Some(adapter)) => (adapter.forward(x, self.weight.val(), bias, dropout), None),
            (None, None) => (linear(x, self.weight.val(), None, self.precision), bias),
        }
    }

    /// `beside + forward(x)` `[.., out]` for `beside` `[.., out]` and `x` `[.., in]`, with the same bits;
    /// a product on CUDA may add in its own launch.
    pub fn forward_onto<const D: usize>(
        &self,
        beside: Tensor<B, D>,
        x: Tensor<B, D>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, D> {
        match self.affine(dropout) {
            Some(affine) => linear_onto(beside, x, affine, self.precision),
            None => beside + self.forward(x, dropout),
        }
    }

    /// The one weight and the bias by which [`forward`](Self::forward) multiplies and adds; `None` where
    /// it does more: an adapter of two low-rank products, or with dropout of x.
    pub fn affine(&self, dropout: Option<&DropoutKey>) -> Option<Affine<B>> {
        let weight = match (&self.merged.0, &self.adapter) {
            (Some(merged), _) => merged.clone(),
            (None, Some(adapter)) => adapter.one_weight_of_forward(self.weight.val(), dropout)?,
            (None, None) => self.weight.val(),
        };
        let bias = self.bias.as_ref().map(Param::val);
        Some(Affine { weight, bias })
    }

    /// The one weight `[in, out]` that does the work of base and adapter: W',
    /// or the base weight without an adapter. Differentiable in the adapter.
    pub fn merged_weight(&self) -> Tensor<B, 2> {
        match &self.adapter {
            Some(adapter) => adapter.merged_weight(self.weight.val()),
            None => self.weight.val(),
        }
    }

    /// Computes [`merged_weight`](Self::merged_weight) once for all later
    /// forward passes. Base and adapter stay as they are. Does nothing without
    /// an adapter.
    ///
    /// The merged weight is neither a parameter nor part of the record. Loading
    /// a record or mapping over the parameters (an optimizer step, `no_grad`)
    /// unmerges, as what was merged is out of date then; assigning the public
    /// fields does not.
    pub fn merge(self) -> Self {
        let merged = self
            .adapter
            .is_some()
            .then(|| constant(self.merged_weight()));
        Self {
            merged: MergedWeight(merged),
            ..self
        }
    }

    /// Undoes [`merge`](Self::merge), exactly: nothing had been overwritten.
    pub fn unmerge(self) -> Self {
        Self {
            merged: MergedWeight(None),
            ..self
        }
    }

    /// Whether forward passes use a merged weight.
    pub fn is_merged(&self) -> bool {
        self.merged.0.is_some()
    }

    /// A plain Burn layer of the merged weight; the base and the adapter are
    /// gone. Without an adapter, the layer's own parameters.
    pub fn into_linear(self) -> Linear<B> {
        let weight = match &self.adapter {
            Some(_) => Param::from_tensor(constant(self.merged_weight())),
            None => self.weight,
        };
        Linear {
            weight,
            bias: self.bias,
        }
    }
}
