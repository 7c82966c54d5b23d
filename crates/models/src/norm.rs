use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Tensor, backend::Backend};
use dacapo_ops::layer_norm;

/// Of every layer normalisation here but BERT's: that of Burn, PyTorch and CLIP.
const EPS: f64 = 1e-5;

/// One over `d_model`, of ones and zeros: nothing is drawn.
pub(crate) fn layer_norm_of<B: Backend>(d_model: usize, device: &B::Device) -> LayerNorm<B> {
    layer_norm_with(d_model, EPS, device)
}

/// The same, with another epsilon.
pub(crate) fn layer_norm_with<B: Backend>(
    d_model: usize,
    eps: f64,
    device: &B::Device,
) -> LayerNorm<B> {
    LayerNormConfig::new(d_model).with_epsilon(eps).init(device)
}

/// `norm` of `x` `[.., d_model]`.
pub(crate) fn normalise<B: Backend, const D: usize>(
    norm: &LayerNorm<B>,
    x: Tensor<B, D>,
) -> Tensor<B, D> {
    normalise_with(norm, x, EPS)
}

/// The same, with the epsilon it was made with, which Burn's does not tell.
pub(crate) fn normalise_with<B: Backend, const D: usize>(
    norm: &LayerNorm<B>,
    x: Tensor<B, D>,
    eps: f64,
) -> Tensor<B, D> {
    let beta = norm.beta.as_ref().map(|beta| beta.val());
    layer_norm(x, norm.gamma.val(), beta, eps)
}
