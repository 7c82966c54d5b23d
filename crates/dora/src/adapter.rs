use burn::module::{Module, Param};
use burn::tensor::{Tensor, backend::Backend};
use dacapo_ops::{DropoutMask, MergeInputs, MergeSpec, Precision, dora_merge, dora_norm, linear};
use dacapo_rng::DropoutKey;

use crate::mask::Mask;
use crate::math::{
    channel_norm, constant, low_rank, norm_dtype, over_norm, to_dtype, tracked_channel_norm,
};
use crate::{DoraConfig, DoraError, Flavour};

/// The trainable part of a [`DoraLinear`](crate::DoraLinear), of a part of a
/// [`DoraFusedLinear`](crate::DoraFusedLinear), or of a
/// [`DoraEmbedding`](crate::DoraEmbedding), whose inputs are its vocabulary: a
/// magnitude for each output channel, unless it is LoRA's, and two low-rank factors.
///
/// The record holds these tensors only. Configuration and path are not
/// state: they come from attaching again.
#[derive(Module, Debug)]
pub struct DoraAdapter<B: Backend> {
    /// m, `[out]`. In f32 where the weight is a half type, else in its dtype.
    /// None with `Flavour::Lora`.
    pub magnitude: Option<Param<Tensor<B, 1>>>,
    /// A, `[rank, in]`, in the weight's dtype.
    pub lora_a: Param<Tensor<B, 2>>,
    /// B, `[out, rank]`, in the weight's dtype.
    pub lora_b: Param<Tensor<B, 2>>,
    #[module(skip)]
    pub(crate) config: DoraConfig,
    #[module(skip)]
    pub(crate) path: String,
    #[module(skip)]
    pub(crate) precision: Precision,
}

impl<B: Backend> DoraAdapter<B> {
    /// An adapter of given tensors for a layer with `d_in` inputs and `d_out`
    /// outputs: `magnitude` `[out]`, `lora_a` `[rank, in]`, `lora_b`
    /// `[out, rank]`. They become trainable. The base of a layer that gets them
    /// must be that which they were trained on: `config.init` changes nothing here.
    ///
    /// # Errors
    /// An invalid `config`, a rank above min(in, out), another shape, or a
    /// magnitude where the flavour has none, or none where it has one. A
    /// magnitude per *input*, as some tools write it, is refused by its shape; for
    /// a square layer the two cannot be told apart.
    pub fn from_tensors(
        [d_in, d_out]: [usize; 2],
        config: &DoraConfig,
        path: &str,
        magnitude: impl Into<Option<Tensor<B, 1>>>,
        lora_a: Tensor<B, 2>,
        lora_b: Tensor<B, 2>,
    ) -> Result<Self, DoraError> {
        config.check_for(path, d_in, d_out)?;
        let magnitude = magnitude.into();
        if magnitude.is_some() != config.flavour.has_magnitude() {
            return Err(DoraError::Magnitude {
                path: path.to_owned(),
                given: magnitude.is_some(),
            });
        }
        let adapter = Self {
            magnitude: magnitude.map(|m| Param::from_tensor(constant(m))),
            lora_a: Param::from_tensor(constant(lora_a)),
            lora_b: Param::from_tensor(constant(lora_b)),
            config: config.clone(),
            path: path.to_owned(),
            precision: Precision::F32,
        };
        adapter.check_shapes([d_in, d_out])?;
        Ok(adapter)
    }

    /// The same adapter with its matrix products in `precision`; F32 before.
    /// Attaching it to a layer sets that of the layer.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// That the tensors fit a layer of this size.
    pub(crate) fn check_shapes(&self, [d_in, d_out]: [usize; 2]) -> Result<(), DoraError> {
        let rank = self.config.rank;
        let magnitude = self.magnitude.as_ref();
        let magnitude = magnitude.map(|m| ("magnitude", vec![d_out], m.lazy_shape()));
        let factors = [
            ("lora_a", vec![rank, d_in], self.lora_a.lazy_shape()),
            ("lora_b", vec![d_out, rank], self.lora_b.lazy_shape()),
        ];
        for (key, expected, found) in magnitude.into_iter().chain(factors) {
            if found.as_slice() != expected {
                return Err(DoraError::ShapeMismatch {
                    path: self.path.clone(),
                    key,
                    expected,
                    found: found.to_vec(),
                });
            }
        }
        Ok(())
    }

    /// The hyper-parameters it was made with.
    pub fn config(&self) -> &DoraConfig {
        &self.config
    }

    /// The path of its layer, which keys its dropout masks.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// W' `[in, out]` over the base `weight` `[in, out]`, without dropout, with
    /// the flavour's gradients to the adapter and none to `weight`.
    pub fn merged_weight(&self, weight: Tensor<B, 2>) -> Tensor<B, 2> {
        let weight = constant(weight);
        let dtype = weight.dtype();
        if let Some(merged) = self.merged_by_kernel(&weight, None) {
            return merged;
        }
        match self.config.flavour {
            Flavour::Peft => {
                let v = weight.cast(norm_dtype(dtype)) + self.update().cast(norm_dtype(dtype));
                to_dtype(self.peft_ratio(channel_norm(v.clone())) * v, dtype)
            }
            Flavour::ClipHba => self.clip_hba_weight(weight, None),
            Flavour::Lora => weight + self.update(),
        }
    }

    /// The layer's output `[.., out]` for `x` `[.., in]` over the base `weight`
    /// `[in, out]` and `bias` `[out]`. Gradients flow to the adapter, `x` and
    /// `bias`, not to `weight`. Without a key there is no dropout.
    pub fn forward<const D: usize>(
        &self,
        x: Tensor<B, D>,
        weight: Tensor<B, 2>,
        bias: Option<Tensor<B, 1>>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, D> {
        self.forward_with(x, weight, bias, self.keyed_mask(dropout))
    }

    /// [`forward`](Self::forward) with the mask given: one factor (0 or
    /// 1/(1-rate)) for each element of `x` (`Peft`, `Lora`) or of `weight`
    /// (`ClipHba`), in row-major order.
    ///
    /// # Panics
    /// If the mask has another length.
    pub fn forward_masked<const D: usize>(
        &self,
        x: Tensor<B, D>,
        weight: Tensor<B, 2>,
        bias: Option<Tensor<B, 1>>,
        mask: Option<Vec<f32>>,
    ) -> Tensor<B, D> {
        let expected = self.mask_len(&x, &weight);
        if let Some(mask) = &mask {
            assert_eq!(
                mask.len(),
                expected,
                "dropout mask of `{}`: expected (left) and found (right) lengths differ",
                self.path
            );
        }
        self.forward_with(x, weight, bias, mask.map(Mask::Given))
    }

    fn forward_with<const D: usize>(
        &self,
        x: Tensor<B, D>,
        weight: Tensor<B, 2>,
        bias: Option<Tensor<B, 1>>,
        mask: Option<Mask>,
    ) -> Tensor<B, D> {
        let weight = constant(weight);
        if let Some(weight) = self.one_weight(&weight, mask.as_ref()) {
            return linear(x, weight, bias, self.precision);
        }
        match self.config.flavour {
            Flavour::Peft => self.peft_forward(x, weight, bias, mask),
            Flavour::ClipHba => unreachable!("it has one weight"),
            Flavour::Lora => {
                let base = linear(x.clone(), weight, bias, self.precision);
                let x = match mask {
                    Some(mask) => mask.apply(x),
                    None => x,
                };
                base + self.low_rank_path(x)
            }
        }
    }

    /// The weight `[in, out]` by which alone [`forward`](Self::forward) multiplies, if there is one, for
    /// the base weight `weight`.
    pub(crate) fn one_weight_of_forward(
        &self,
        weight: Tensor<B, 2>,
        dropout: Option<&DropoutKey>,
    ) -> Option<Tensor<B, 2>> {
        self.one_weight(&constant(weight), self.keyed_mask(dropout).as_ref())
    }

    fn keyed_mask(&self, dropout: Option<&DropoutKey>) -> Option<Mask> {
        let rate = self.config.dropout;
        dropout.filter(|_| rate > 0.0).map(|key| Mask::Keyed {
            key: key.layer(&self.path),
            rate,
        })
    }

    fn one_weight(&self, weight: &Tensor<B, 2>, mask: Option<&Mask>) -> Option<Tensor<B, 2>> {
        match (self.config.flavour, mask) {
            // The two products of a low rank cost less than one W', and where `Peft` masks x on one of
            // its two ways, there is none.
            (Flavour::Lora, _) | (Flavour::Peft, Some(_)) => None,
            (Flavour::Peft, None) => self.merged_by_kernel(weight, None),
            (Flavour::ClipHba, mask) => {
                let merged = match mask {
                    None => self.merged_by_kernel(weight, None),
                    Some(mask) => mask
                        .words()
                        .and_then(|words| self.merged_by_kernel(weight, Some(words))),
                };
                let plain = || self.clip_hba_weight(weight.clone(), mask.cloned());
                Some(merged.unwrap_or_else(plain))
            }
        }
    }

    /// s·B·A·x `[.., out]` for `x` `[.., in]`.
    fn low_rank_path<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        let (lora_a, lora_b) = (self.lora_a.val(), self.lora_b.val());
        let hidden = linear(x, lora_a.transpose(), None, self.precision);
        let y = linear(hidden, lora_b.transpose(), None, self.precision);
        y.mul_scalar(self.config.scaling())
    }

    /// W' with the flavour's gradients by a fused kernel, if the backend has one.
    fn merged_by_kernel(
        &self,
        weight: &Tensor<B, 2>,
        mask: Option<DropoutMask>,
    ) -> Option<Tensor<B, 2>> {
        let spec = MergeSpec {
            mask,
            ..self.merge_spec()
        };
        dora_merge(&self.merge_inputs(weight)?, &spec)
    }

    /// None without a magnitude.
    fn merge_inputs(&self, weight: &Tensor<B, 2>) -> Option<MergeInputs<B>> {
        Some(MergeInputs {
            weight: weight.clone(),
            lora_a: self.lora_a.val(),
            lora_b: self.lora_b.val(),
            magnitude: self.magnitude.as_ref()?.val(),
        })
    }

    /// m `[1, out]`.
    fn magnitude_row(&self) -> Tensor<B, 2> {
        let magnitude = self.magnitude.as_ref().expect(HAS_MAGNITUDE);
        magnitude.val().unsqueeze()
    }

    fn merge_spec(&self) -> MergeSpec {
        merge_spec(&self.config, self.precision)
    }

    fn mask_len<const D: usize>(&self, x: &Tensor<B, D>, weight: &Tensor<B, 2>) -> usize {
        match self.config.flavour {
            Flavour::Peft | Flavour::Lora => x.shape().num_elements(),
            Flavour::ClipHba => weight.shape().num_elements(),
        }
    }

    /// s·B·A as `[in, out]`.
    fn update(&self) -> Tensor<B, 2> {
        low_rank(
            self.lora_a.val(),
            self.lora_b.val(),
            self.config.scaling(),
            self.precision,
        )
    }

    /// g = m / n `[1, out]`, n being a constant. Where n is 0, g is 1 without
    /// gradient: any finite value gives the same output while B is 0 or V is 0,
    /// and with 1 the gradient of B does not vanish, so that the channel trains.
    pub(crate) fn peft_ratio(&self, norm: Tensor<B, 2>) -> Tensor<B, 2> {
        over_norm(self.magnitude_row(), norm, 1.0)
    }

    /// ‖V‖ `[1, out]` of `Peft`, without gradient.
    pub(crate) fn peft_norm(&self, weight: &Tensor<B, 2>) -> Tensor<B, 2> {
        // Nothing of the norm is differentiated, so its dense product is not
        // recorded either.
        let inputs = self.merge_inputs(weight).expect(HAS_MAGNITUDE);
        let inputs = MergeInputs {
            lora_a: constant(inputs.lora_a),
            lora_b: constant(inputs.lora_b),
            ..inputs
        };
        updated_norm(inputs, &self.config, self.precision)
    }

    fn peft_forward<const D: usize>(
        &self,
        x: Tensor<B, D>,
        weight: Tensor<B, 2>,
        bias: Option<Tensor<B, 1>>,
        mask: Option<Mask>,
    ) -> Tensor<B, D> {
        let dtype = weight.dtype();
        let precision = self.precision;

        let ratio = self.peft_ratio(self.peft_norm(&weight));
        let d_out = ratio.shape().num_elements();
        // In the ratio's own precision, so that a half type rounds once.
        let times = |h: Tensor<B, D>, g: Tensor<B, 2>| {
            let g = g.reshape([d_out]).unsqueeze();
            to_dtype(h.cast(norm_dtype(dtype)) * g, dtype)
        };

        // With h = W·x~ + s·B·A·x~ and l = s·B·A·x~, the formula
        // W·x + (g-1)·W·x~ + g·l is W·x + l + (g-1)·h, and g·h if x~ = x. So
        // written, the gradient of m is one sum over h: where V << W, that of
        // the two terms apart cancels (3e-4 off in f32 at V/W = 1e-3).
        let y = match mask {
            None => {
                let base = linear(x.clone(), weight, None, precision);
                times(base + self.low_rank_path(x), ratio)
            }
            Some(mask) => {
                let base = linear(x.clone(), weight.clone(), None, precision);
                let x = mask.apply(x);
                let low_rank = self.low_rank_path(x.clone());
                let adapted = linear(x, weight, None, precision) + low_rank.clone();
                base + low_rank + times(adapted, ratio - 1.0)
            }
        };
        match bias {
            Some(bias) => y + bias.unsqueeze(),
            None => y,
        }
    }

    /// m·V/n `[in, out]` with V = W/‖W‖ + mask·s·B·A and n = ‖V‖ + 1e-8.
    fn clip_hba_weight(&self, weight: Tensor<B, 2>, mask: Option<Mask>) -> Tensor<B, 2> {
        let dtype = weight.dtype();
        let wide = weight.cast(norm_dtype(dtype));
        // A zero channel has no direction; the original divides by 0 here.
        let direction = over_norm(wide.clone(), channel_norm(wide), 0.0);
        let update = match mask {
            Some(mask) => mask.apply(self.update()),
            None => self.update(),
        };
        let v = direction + update.cast(norm_dtype(dtype));
        let norm = tracked_channel_norm(v.clone()) + CLIP_HBA_EPS;
        to_dtype(v / norm * self.magnitude_row(), dtype)
    }
}

const HAS_MAGNITUDE: &str = "an adapter is made with a magnitude if its flavour is of DoRA";

/// ‖W + s·B·A‖ `[1, out]` of tensors without gradient.
pub(crate) fn updated_norm<B: Backend>(
    inputs: MergeInputs<B>,
    config: &DoraConfig,
    precision: Precision,
) -> Tensor<B, 2> {
    if let Some(norm) = dora_norm(&inputs, &merge_spec(config, precision)) {
        return norm.unsqueeze();
    }
    let wide = norm_dtype(inputs.weight.dtype());
    let update = low_rank(inputs.lora_a, inputs.lora_b, config.scaling(), precision);
    channel_norm(inputs.weight.cast(wide) + update.cast(wide))
}

/// Added to the norm, as the original does.
const CLIP_HBA_EPS: f64 = 1e-8;

/// The constants of the fused kernels.
fn merge_spec(config: &DoraConfig, precision: Precision) -> MergeSpec {
    let full = config.flavour == Flavour::ClipHba;
    MergeSpec {
        scaling: config.scaling(),
        eps: if full { CLIP_HBA_EPS } else { 0.0 },
        normalised_base: full,
        full_gradient: full,
        precision,
        mask: None,
    }
}

/// `norm`, if each channel's is finite.
pub(crate) fn finite_norm<B: Backend>(
    norm: Tensor<B, 1>,
    path: &str,
) -> Result<Tensor<B, 1>, DoraError> {
    let host = norm.clone().into_data().convert::<f64>();
    let bad = host.iter::<f64>().enumerate().find(|(_, n)| !n.is_finite());
    match bad {
        None => Ok(norm),
        Some((channel, norm)) => Err(DoraError::NonFiniteNorm {
            path: path.to_owned(),
            channel,
            norm,
        }),
    }
}
