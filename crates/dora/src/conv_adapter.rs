use burn::module::{Module, Param};
use burn::tensor::{Tensor, backend::Backend};
use dacapo_ops::{Precision, matmul};
use dacapo_rng::Stream;

use crate::adapter::finite_norm;
use crate::init::{kaiming_bound, uniform};
use crate::math::{channel_norm, constant, norm_dtype, over_norm, to_dtype};
use crate::{DoraConfig, DoraError};

/// The trainable part of a [`DoraConv2d`](crate::DoraConv2d): a magnitude for
/// each output channel and two low-rank kernels.
///
/// The record holds the three tensors only, as a
/// [`DoraAdapter`](crate::DoraAdapter)'s.
#[derive(Module, Debug)]
pub struct DoraConvAdapter<B: Backend> {
    /// m, `[out]` (PEFT: `[1, out, 1, 1]`). In f32 where the weight is a half type,
    /// else in its dtype.
    pub magnitude: Param<Tensor<B, 1>>,
    /// A, `[rank, in/groups, kh, kw]`, in the weight's dtype.
    pub lora_a: Param<Tensor<B, 4>>,
    /// B, `[out, rank/groups, 1, 1]`, in the weight's dtype.
    pub lora_b: Param<Tensor<B, 4>>,
    groups: usize,
    #[module(skip)]
    config: DoraConfig,
    #[module(skip)]
    path: String,
}

impl<B: Backend> DoraConvAdapter<B> {
    /// A new adapter for `weight` `[out, in/groups, kh, kw]`, with m = the norm of
    /// each output channel of `weight`, B = 0 and A uniform within
    /// 1/sqrt(in/groups·kh·kw), drawn in row-major order, one draw an element.
    ///
    /// # Errors
    /// An invalid `config` or another flavour than `Peft`, a rank that `groups`
    /// does not divide or that exceeds min(in·kh·kw, out), or a channel of
    /// `weight` without a finite norm. Nothing is drawn then.
    pub fn init(
        weight: Tensor<B, 4>,
        groups: usize,
        config: &DoraConfig,
        path: &str,
        stream: &mut Stream,
    ) -> Result<Self, DoraError> {
        let weight = constant(weight);
        check_for(config, path, weight.dims(), groups)?;
        let [shape_a, shape_b] = factor_shapes(weight.dims(), groups, config.rank);
        let (dtype, device) = (weight.dtype(), weight.device());
        // Through the zero update that the first forward pass adds, so that m/n is
        // 1 to the bit.
        let zeros = |shape: [usize; 4]| Tensor::<B, 4>::zeros(shape, (&device, dtype));
        let lora_b = zeros(shape_b);
        let update = update(zeros(shape_a), lora_b.clone(), groups, config.scaling());
        let magnitude = norm(weight, update).reshape([shape_b[0]]);
        let magnitude = finite_norm(magnitude, path)?;
        let bound = kaiming_bound(shape_a[1..].iter().product());
        Ok(Self {
            magnitude: Param::from_tensor(magnitude),
            lora_a: Param::from_tensor(uniform(shape_a, bound, stream, dtype, &device)),
            lora_b: Param::from_tensor(lora_b),
            groups,
            config: config.clone(),
            path: path.to_owned(),
        })
    }

    /// An adapter of given tensors for a weight of the shape `weight`
    /// `[out, in/groups, kh, kw]`: `magnitude` `[out]`, `lora_a`
    /// `[rank, in/groups, kh, kw]`, `lora_b` `[out, rank/groups, 1, 1]`. They become
    /// trainable.
    ///
    /// # Errors
    /// Those of [`init`](Self::init) about `config`, or another shape. PEFT's A of
    /// a grouped convolution, `[rank, in, kh, kw]`, is refused this way.
    pub fn from_tensors(
        weight: [usize; 4],
        groups: usize,
        config: &DoraConfig,
        path: &str,
        magnitude: Tensor<B, 1>,
        lora_a: Tensor<B, 4>,
        lora_b: Tensor<B, 4>,
    ) -> Result<Self, DoraError> {
        check_for(config, path, weight, groups)?;
        let adapter = Self {
            magnitude: Param::from_tensor(constant(magnitude)),
            lora_a: Param::from_tensor(constant(lora_a)),
            lora_b: Param::from_tensor(constant(lora_b)),
            groups,
            config: config.clone(),
            path: path.to_owned(),
        };
        adapter.check_fits(weight, groups)?;
        Ok(adapter)
    }

    /// That it was made for a weight of this shape with so many groups.
    pub(crate) fn check_fits(&self, weight: [usize; 4], groups: usize) -> Result<(), DoraError> {
        let [shape_a, shape_b] = factor_shapes(weight, groups, self.config.rank);
        let tensors = [
            ("magnitude", vec![weight[0]], self.magnitude.lazy_shape()),
            ("lora_a", shape_a.to_vec(), self.lora_a.lazy_shape()),
            ("lora_b", shape_b.to_vec(), self.lora_b.lazy_shape()),
        ];
        for (key, expected, found) in tensors {
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

    /// W' over the base `weight`, both `[out, in/groups, kh, kw]`, with gradients
    /// to the adapter and none to `weight`.
    pub fn merged_weight(&self, weight: Tensor<B, 4>) -> Tensor<B, 4> {
        let weight = constant(weight);
        let dtype = weight.dtype();
        let update = self.update(self.lora_a.val(), self.lora_b.val());
        let ratio = self.ratio(norm(weight.clone(), update.clone()));
        let wide = norm_dtype(dtype);
        let v = weight.cast(wide) + update.cast(wide);
        to_dtype(v * ratio.swap_dims(0, 1), dtype)
    }

    /// g = m/n over the base `weight`, `[1, out, 1, 1]`, n being a constant.
    pub(crate) fn current_ratio(&self, weight: Tensor<B, 4>) -> Tensor<B, 4> {
        // Nothing of the norm is differentiated, so its update is not recorded either.
        let (lora_a, lora_b) = (constant(self.lora_a.val()), constant(self.lora_b.val()));
        self.ratio(norm(weight, self.update(lora_a, lora_b)))
    }

    fn update(&self, lora_a: Tensor<B, 4>, lora_b: Tensor<B, 4>) -> Tensor<B, 4> {
        update(lora_a, lora_b, self.groups, self.config.scaling())
    }

    /// m/n `[1, out, 1, 1]` of n `[1, out]`; 1 without gradient where n is 0.
    fn ratio(&self, norm: Tensor<B, 2>) -> Tensor<B, 4> {
        let ratio = over_norm(self.magnitude.val().unsqueeze(), norm, 1.0);
        let channels = ratio.dims()[1];
        ratio.reshape([1, channels, 1, 1])
    }
}

/// s·B·A as `[out, in/groups, kh, kw]`, in the factors' dtype.
fn update<B: Backend>(
    lora_a: Tensor<B, 4>,
    lora_b: Tensor<B, 4>,
    groups: usize,
    scaling: f64,
) -> Tensor<B, 4> {
    let [rank, inputs, height, width] = lora_a.dims();
    let outputs = lora_b.dims()[0];
    let lora_a = lora_a.reshape([groups, rank / groups, inputs * height * width]);
    let lora_b = lora_b.reshape([groups, outputs / groups, rank / groups]);
    // As exact as Burn's convolutions, which know no other precision.
    let product = matmul(lora_b, lora_a, Precision::F32);
    product
        .mul_scalar(scaling)
        .reshape([outputs, inputs, height, width])
}

/// ‖W + update‖ of each output channel, `[1, out]`, without gradient.
fn norm<B: Backend>(weight: Tensor<B, 4>, update: Tensor<B, 4>) -> Tensor<B, 2> {
    let wide = norm_dtype(weight.dtype());
    let [outputs, inputs, height, width] = weight.dims();
    let v = constant(weight).cast(wide) + constant(update).cast(wide);
    channel_norm(v.reshape([outputs, inputs * height * width]).transpose())
}

/// The shapes of A and B.
fn factor_shapes(
    [outputs, inputs, height, width]: [usize; 4],
    groups: usize,
    rank: usize,
) -> [[usize; 4]; 2] {
    [
        [rank, inputs, height, width],
        [outputs, rank / groups, 1, 1],
    ]
}

/// That an adapter of this config can be made for a weight
/// `[out, in/groups, kh, kw]`.
pub(crate) fn check_for(
    config: &DoraConfig,
    path: &str,
    [outputs, inputs, height, width]: [usize; 4],
    groups: usize,
) -> Result<(), DoraError> {
    config.check_peft(path, "convolution")?;
    if !config.rank.is_multiple_of(groups) {
        return Err(DoraError::RankOfGroups {
            path: path.to_owned(),
            rank: config.rank,
            groups,
        });
    }
    // In groups, rank/groups against min(in/groups·kh·kw, out/groups).
    config.check_for(path, groups * inputs * height * width, outputs)
}
