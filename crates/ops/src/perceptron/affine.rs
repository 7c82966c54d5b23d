use burn::tensor::{Tensor, backend::Backend, ops::FloatTensor};

use super::fused_products::LayerTensors;
use crate::dispatch::same;

/// A layer's weight and bias.
#[derive(Clone, Debug)]
pub struct Affine<B: Backend> {
    /// `[in, out]`.
    pub weight: Tensor<B, 2>,
    /// `[out]`.
    pub bias: Option<Tensor<B, 1>>,
}

impl<B: Backend> Affine<B> {
    /// # Panics
    /// If the layer does not make `found` of `x`.
    pub(super) fn check<const D: usize>(&self, name: &str, x: [usize; D], found: [usize; D]) {
        let [d_in, d_out] = self.weight.dims();
        let bias = self.bias.as_ref().map(Tensor::dims);
        let mut expected = x;
        expected[D - 1] = d_out;
        assert!(
            x[D - 1] == d_in && found == expected && bias.is_none_or(|bias| bias == [d_out]),
            "{name}: a weight [{d_in}, {d_out}] and a bias {bias:?} do not make {found:?} of {x:?}"
        );
    }

    /// The tensors as those of the backend `K`, which has the same.
    pub(super) fn by<K: Backend>(self) -> LayerTensors<FloatTensor<K>> {
        LayerTensors {
            weight: same(self.weight.into_primitive().tensor()),
            bias: self.bias.map(|bias| same(bias.into_primitive().tensor())),
        }
    }
}
