use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_rng::{DropoutKey, Stream};

use crate::conv_adapter::check_for;
use crate::init::{default_dtype, kaiming_bound, uniform};
use crate::mask::Mask;
use crate::math::{constant, norm_dtype, to_dtype};
use crate::merged::MergedWeight;
use crate::{ConvGeometry, DoraConfig, DoraConvAdapter, DoraError};

/// A 2D convolution that may carry a DoRA adapter, after Hugging Face PEFT's
/// `DoraConv2dLayer`. Only [`Flavour::Peft`](crate::Flavour::Peft) is defined for
/// it.
///
/// For W`[out, in/groups, kh, kw]`, A`[rank, in/groups, kh, kw]`,
/// B`[out, rank/groups, 1, 1]` and m`[out]`, conv(W, x) being the convolution in
/// the layer's geometry and x~ = drop(x):
///
/// | | |
/// |---|---|
/// | B·A | `[out, in/groups, kh, kw]`, the product over each group's ranks |
/// | V | W + s·B·A |
/// | n | ‖V‖ over all but the output channel, a constant for the gradient |
/// | output | conv(W, x) + b + (g-1)·conv(W, x~) + g·s·conv1x1(B, conv(A, x~)), g = m/n |
/// | m at the start | the norm of each output channel of W |
/// | A, B at the start | Kaiming-uniform, 0 |
/// | output at the start | that of the base, to the bit |
///
/// That is PEFT's layer for one group without dilation. Elsewhere PEFT 0.21 is no
/// DoRA: with groups it convolves all inputs with A `[rank, in, kh, kw]`, so that
/// B·A is no update of W, takes the norm of a product whose channels are reshaped
/// into each other, and cannot merge; here each group is a layer of its own, with
/// `rank/groups` ranks. And PEFT does not dilate A, whose output then has another
/// size than the base's.
///
/// The convolutions are Burn's, as the backend computes them, whatever the
/// precision of matrix products. On `Flex` no bit of them depends on the number of
/// threads.
#[derive(Module, Debug)]
pub struct DoraConv2d<B: Backend> {
    /// The base weight, `[out, in/groups, kh, kw]`.
    pub weight: Param<Tensor<B, 4>>,
    /// The bias, `[out]`.
    pub bias: Option<Param<Tensor<B, 1>>>,
    /// The adapter, once attached.
    pub adapter: Option<DoraConvAdapter<B>>,
    merged: MergedWeight<B, 4>,
    #[module(skip)]
    geometry: ConvGeometry,
}

impl<B: Backend> DoraConv2d<B> {
    /// A layer without adapter in the backend's default float type, weight
    /// `[out, in/groups, kh, kw]` and bias `[out]` uniform within
    /// 1/sqrt(in/groups·kh·kw): one draw an element, the weight in row-major order
    /// first.
    ///
    /// # Panics
    /// If a size is 0, or `groups` does not divide both numbers of channels.
    pub fn init(
        [inputs, outputs]: [usize; 2],
        [height, width]: [usize; 2],
        bias: bool,
        geometry: ConvGeometry,
        stream: &mut Stream,
        device: &B::Device,
    ) -> Self {
        let groups = geometry.groups;
        assert!(
            [inputs, outputs, height, width, groups]
                .iter()
                .all(|&size| size > 0)
                && inputs % groups == 0
                && outputs % groups == 0,
            "DoraConv2d::init: expected sizes of at least 1 and channels in whole groups, found \
             {inputs} -> {outputs} channels, a kernel of {height}x{width} and {groups} groups"
        );
        let dtype = default_dtype::<B>(device);
        let shape = [outputs, inputs / groups, height, width];
        let bound = kaiming_bound(shape[1..].iter().product());
        let weight = uniform(shape, bound, stream, dtype, device);
        let bias = bias.then(|| uniform([outputs], bound, stream, dtype, device));
        Self::from_params(
            Param::from_tensor(weight),
            bias.map(Param::from_tensor),
            geometry,
        )
    }

    /// The same layer without adapter; parameters and their ids are kept.
    pub fn from_conv(conv: Conv2d<B>) -> Self {
        let geometry = ConvGeometry {
            stride: conv.stride,
            padding: conv.padding,
            dilation: conv.dilation,
            groups: conv.groups,
        };
        Self::from_params(conv.weight, conv.bias, geometry)
    }

    /// A layer without adapter of `weight` `[out, in/groups, kh, kw]` and `bias`
    /// `[out]`.
    pub fn from_params(
        weight: Param<Tensor<B, 4>>,
        bias: Option<Param<Tensor<B, 1>>>,
        geometry: ConvGeometry,
    ) -> Self {
        Self {
            weight,
            bias,
            adapter: None,
            merged: MergedWeight(None),
            geometry,
        }
    }

    /// How the kernel goes over an image.
    pub fn geometry(&self) -> &ConvGeometry {
        &self.geometry
    }

    /// Adds a new adapter ([`DoraConvAdapter::init`]) and freezes weight and bias,
    /// as [`DoraLinear::attach`](crate::DoraLinear::attach).
    ///
    /// # Errors
    /// [`DoraError::AlreadyAttached`], and those of [`DoraConvAdapter::init`].
    pub fn attach(
        self,
        config: &DoraConfig,
        path: &str,
        stream: &mut Stream,
    ) -> Result<Self, DoraError> {
        self.check_attachable(config, path)?;
        let (weight, groups) = (self.weight.val(), self.geometry.groups);
        let adapter = DoraConvAdapter::init(weight, groups, config, path, stream)?;
        self.with_adapter(adapter)
    }

    /// Adds a given adapter and freezes weight and bias.
    ///
    /// # Errors
    /// [`DoraError::AlreadyAttached`], those about a config that this layer cannot
    /// take, or [`DoraError::ShapeMismatch`] if the adapter was made for a layer of
    /// another size or with other groups.
    pub fn with_adapter(self, adapter: DoraConvAdapter<B>) -> Result<Self, DoraError> {
        let path = adapter.path().to_owned();
        self.check_attachable(adapter.config(), &path)?;
        adapter.check_fits(self.weight.lazy_shape().dims(), self.geometry.groups)?;
        Ok(Self {
            weight: self.weight.set_require_grad(false),
            bias: self.bias.map(|bias| bias.set_require_grad(false)),
            adapter: Some(adapter),
            merged: MergedWeight(None),
            geometry: self.geometry,
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
        let shape = self.weight.lazy_shape().dims();
        check_for(config, path, shape, self.geometry.groups)
    }

    /// Drops the adapter. Weight and bias are as before it, bit for bit, and
    /// stay frozen.
    pub fn detach(self) -> Self {
        Self {
            adapter: None,
            merged: MergedWeight(None),
            ..self
        }
    }

    /// `[n, out, h, w]` for `x` `[n, in, height, width]`. `dropout` acts on the
    /// input of the adapter's terms, if any; `None` evaluates. A merged layer has no
    /// dropout and passes gradients to `x` and bias only.
    pub fn forward(&self, x: Tensor<B, 4>, dropout: Option<&DropoutKey>) -> Tensor<B, 4> {
        let mask = match (&self.adapter, dropout) {
            (Some(adapter), Some(key)) if adapter.config().dropout > 0.0 => Some(Mask::Keyed {
                key: key.layer(adapter.path()),
                rate: adapter.config().dropout,
            }),
            _ => None,
        };
        self.forward_with(x, mask)
    }

    /// [`forward`](Self::forward) with the mask given: one factor (0 or 1/(1-rate))
    /// for each element of `x` in row-major order. It has no effect on a layer that
    /// is merged or has no adapter.
    ///
    /// # Panics
    /// If the mask has another length.
    pub fn forward_masked(&self, x: Tensor<B, 4>, mask: Option<Vec<f32>>) -> Tensor<B, 4> {
        if let Some(mask) = &mask {
            assert_eq!(
                mask.len(),
                x.shape().num_elements(),
                "dropout mask of a convolution: found (left) and expected (right) lengths differ"
            );
        }
        self.forward_with(x, mask.map(Mask::Given))
    }

    fn forward_with(&self, x: Tensor<B, 4>, mask: Option<Mask>) -> Tensor<B, 4> {
        let y = match (&self.merged.0, &self.adapter) {
            (Some(merged), _) => self.geometry.convolve(x, merged.clone()),
            (None, Some(adapter)) => self.adapted(adapter, x, mask),
            (None, None) => self.geometry.convolve(x, self.weight.val()),
        };
        // Always last, and not by the backend's convolution, which may start a sum with it:
        // so a new adapter changes no bit.
        match &self.bias {
            Some(bias) => y + bias.val().reshape([1, -1, 1, 1]),
            None => y,
        }
    }

    /// The output without the bias.
    fn adapted(
        &self,
        adapter: &DoraConvAdapter<B>,
        x: Tensor<B, 4>,
        mask: Option<Mask>,
    ) -> Tensor<B, 4> {
        let weight = constant(self.weight.val());
        let (dtype, geometry) = (weight.dtype(), &self.geometry);
        let pointwise = ConvGeometry {
            groups: geometry.groups,
            ..ConvGeometry::default()
        };
        let scaling = adapter.config().scaling();

        let ratio = adapter.current_ratio(weight.clone());
        // In the ratio's own precision, so that a half type rounds once.
        let times = |h: Tensor<B, 4>, g| to_dtype(h.cast(norm_dtype(dtype)) * g, dtype);
        let low_rank_path = |x| {
            let hidden = geometry.convolve(x, adapter.lora_a.val());
            pointwise
                .convolve(hidden, adapter.lora_b.val())
                .mul_scalar(scaling)
        };
        // As `DoraAdapter` writes the formula, so that the gradient of m is one sum.
        let base = geometry.convolve(x.clone(), weight.clone());
        match mask {
            None => times(base + low_rank_path(x), ratio),
            Some(mask) => {
                let x = mask.apply(x);
                let low_rank = low_rank_path(x.clone());
                let adapted = geometry.convolve(x, weight) + low_rank.clone();
                base + low_rank + times(adapted, ratio - 1.0)
            }
        }
    }

    /// The one weight that does the work of base and adapter; the base weight
    /// without an adapter. Differentiable in the adapter.
    pub fn merged_weight(&self) -> Tensor<B, 4> {
        match &self.adapter {
            Some(adapter) => adapter.merged_weight(self.weight.val()),
            None => self.weight.val(),
        }
    }

    /// Computes [`merged_weight`](Self::merged_weight) once for all later forward
    /// passes, with what [`DoraLinear::merge`](crate::DoraLinear::merge) says of
    /// it. One convolution sums in another order than three: the outputs agree
    /// within rounding.
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
    pub fn into_conv(self) -> Conv2d<B> {
        let weight = match &self.adapter {
            Some(_) => Param::from_tensor(constant(self.merged_weight())),
            None => self.weight,
        };
        self.geometry.layer(weight, self.bias)
    }
}
