use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Tensor, backend::Backend};
use dacapo_ops::layer_norm;

/// Of every layer normalisation here: that of Burn, PyTorch and CLIP.
const EPS: f64 = 1e-5;

/// One over `d_model`, of ones and zeros: nothing is drawn.
pub(crate) fn layer_norm_of<B: Backend>(d_model: usize, device: &B::Device) -> LayerNorm<B> {
    LayerNormConfig::new(d_model).with_epsilon(EPS).init(device)
}

/// `norm` of `x` `[.., d_model]`.
pub(crate) fn normalise<B: Backend, const D: usize>(
    norm: &LayerNorm<B>,
    x: Tensor<B, D>,
) -> Tensor<B, D> {
    let beta = norm.beta.as_ref().map(|beta| beta.val());
    layer_norm(x, norm.gamma.val(), beta, EPS)
}
