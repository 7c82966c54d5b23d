//! What an adapter is at the start, and what it leaves of the base.

use burn::module::Param;
use burn::tensor::{DType, Tensor, backend::Backend};
use dacapo_ops::{MergeInputs, Precision};
use dacapo_rng::Stream;

use crate::adapter::{finite_norm, updated_norm};
use crate::decompose::{principal, triangular};
use crate::init::{kaiming_bound, normal, uniform};
use crate::math::{channel_norm, constant, from_host, low_rank, norm_dtype, to_dtype};
use crate::{AdapterInit, DoraAdapter, DoraConfig, DoraError, Flavour};

/// A `[rank, in]` and B `[out, rank]`.
type Factors<B> = (Tensor<B, 2>, Tensor<B, 2>);

impl<B: Backend> DoraAdapter<B> {
    /// A new adapter for `weight` `[in, out]`, and the weight that it is to be put on: the same one,
    /// or with [`AdapterInit::takes_from_base`] what A and B leave of it. m is the norm of each
    /// output channel of the weight with the update. Drawn row by row, A first:
    ///
    /// | flavour | init | A | B |
    /// |---|---|---|---|
    /// | `Peft`, `Lora` | `Kaiming` | uniform within 1/sqrt(in) | 0, no draws |
    /// | | `Gaussian` | normal, deviation 1/rank | 0, no draws |
    /// | | `Pissa`, `Olora` | no draws | no draws |
    /// | `ClipHba` | `Kaiming` | uniform within 1/sqrt(rank) | uniform within 1/sqrt(out) |
    ///
    /// # Errors
    /// An invalid `config`, a rank above min(in, out), or a channel of `weight`
    /// without a finite norm. Nothing is drawn then.
    pub fn init(
        weight: Tensor<B, 2>,
        config: &DoraConfig,
        path: &str,
        stream: &mut Stream,
    ) -> Result<(Self, Tensor<B, 2>), DoraError> {
        let weight = constant(weight);
        let [d_in, d_out] = weight.dims();
        config.check_for(path, d_in, d_out)?;
        let norm = channel_norm(weight.clone().cast(norm_dtype(weight.dtype())));
        let base_norm = finite_norm(norm.reshape([d_out]), path)?;

        let (lora_a, lora_b) = match (config.flavour, config.init.takes_from_base()) {
            (Flavour::ClipHba, _) => clip_hba_factors(&weight, config, stream),
            (_, true) => factors_of(&weight, config),
            (_, false) => drawn_factors(&weight, config, stream),
        };
        let base = match config.init.takes_from_base() {
            true => without_update(&weight, &lora_a, &lora_b, config),
            false => weight,
        };
        let magnitude = match config.flavour {
            Flavour::Lora => None,
            Flavour::ClipHba => Some(base_norm),
            Flavour::Peft => Some(first_norm(&base, &lora_a, &lora_b, config)),
        };
        let adapter = Self {
            magnitude: magnitude.map(Param::from_tensor),
            lora_a: Param::from_tensor(lora_a),
            lora_b: Param::from_tensor(lora_b),
            config: config.clone(),
            path: path.to_owned(),
            precision: Precision::F32,
        };
        Ok((adapter, base))
    }
}

/// ‖V‖ `[out]` as the first forward pass computes it, the update of zeros included, so that the
/// backend reduces the same layout and m/n is 1 to the bit.
pub(crate) fn first_norm<B: Backend>(
    base: &Tensor<B, 2>,
    lora_a: &Tensor<B, 2>,
    lora_b: &Tensor<B, 2>,
    config: &DoraConfig,
) -> Tensor<B, 1> {
    let d_out = base.dims()[1];
    let wide = norm_dtype(base.dtype());
    let inputs = MergeInputs {
        weight: base.clone(),
        lora_a: lora_a.clone(),
        lora_b: lora_b.clone(),
        // The norm does not depend on it.
        magnitude: Tensor::zeros([d_out], (&base.device(), wide.into())),
    };
    updated_norm(inputs, config, Precision::F32).reshape([d_out])
}

fn drawn_factors<B: Backend>(
    weight: &Tensor<B, 2>,
    config: &DoraConfig,
    stream: &mut Stream,
) -> Factors<B> {
    let [d_in, d_out] = weight.dims();
    let (dtype, device, rank) = (weight.dtype(), weight.device(), config.rank);
    let lora_a = match config.init {
        AdapterInit::Gaussian => {
            let deviation = 1.0 / rank as f64;
            normal([rank, d_in], stream, dtype, &device).mul_scalar(deviation)
        }
        _ => uniform([rank, d_in], kaiming_bound(d_in), stream, dtype, &device),
    };
    (lora_a, Tensor::zeros([d_out, rank], (&device, dtype)))
}

/// The fans are those of `delta_D_B` `[in, r]` and `delta_D_A` `[r, out]`, of which A and B are the
/// transposes.
fn clip_hba_factors<B: Backend>(
    weight: &Tensor<B, 2>,
    config: &DoraConfig,
    stream: &mut Stream,
) -> Factors<B> {
    let [d_in, d_out] = weight.dims();
    let (dtype, device, rank) = (weight.dtype(), weight.device(), config.rank);
    let mut draw = |shape, fan| uniform(shape, kaiming_bound(fan), stream, dtype, &device);
    let lora_a = draw([rank, d_in], rank);
    (lora_a, draw([d_out, rank], d_out))
}

/// Those that are taken from the weight, in f64 on the host.
fn factors_of<B: Backend>(weight: &Tensor<B, 2>, config: &DoraConfig) -> Factors<B> {
    let [d_in, d_out] = weight.dims();
    let (dtype, device, rank) = (weight.dtype(), weight.device(), config.rank);
    let values = weight.clone().into_data().convert::<f64>();
    let values: Vec<f64> = values.iter::<f64>().collect();
    let (a, b) = match config.init {
        AdapterInit::Olora => triangular(&values, d_in, d_out, rank),
        _ => principal(&values, d_in, d_out, rank, config.scaling()),
    };
    (
        from_host(a, [rank, d_in], dtype, &device),
        from_host(b, [d_out, rank], dtype, &device),
    )
}

/// W - s·B·A `[in, out]`, of A and B as they are stored, rounded once.
fn without_update<B: Backend>(
    weight: &Tensor<B, 2>,
    lora_a: &Tensor<B, 2>,
    lora_b: &Tensor<B, 2>,
    config: &DoraConfig,
) -> Tensor<B, 2> {
    let dtype: DType = weight.dtype();
    let wide = norm_dtype(dtype);
    let update = low_rank(
        lora_a.clone().cast(wide),
        lora_b.clone().cast(wide),
        config.scaling(),
        Precision::F32,
    );
    to_dtype(weight.clone().cast(wide) - update, dtype)
}
