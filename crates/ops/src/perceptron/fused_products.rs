use burn::tensor::ops::FloatTensor;
use burn_flex::Flex;

use super::compositions::{activated, added, linear_onto, perceptron_onto, sloped};
use crate::fused::FusedKernels;
use crate::{Activation, PlannedMatmul, Precision};

/// A weight `[in, out]` and a bias `[out]`.
#[derive(Clone, Debug)]
pub(crate) struct LayerTensors<T> {
    pub weight: T,
    pub bias: Option<T>,
}

impl<T> LayerTensors<T> {
    pub fn map<U>(&self, mut f: impl FnMut(&T) -> U) -> LayerTensors<U> {
        LayerTensors {
            weight: f(&self.weight),
            bias: self.bias.as_ref().map(f),
        }
    }
}

/// A backend whose products may do more with their sums than write them. All tensors are f32 and
/// matrices, but for biases; operands are those of [`PlannedMatmul::operand`].
pub(crate) trait FusedProducts: PlannedMatmul + FusedKernels {
    /// `beside + (x w + bias)` of operands x and w.
    fn product_add(
        x: FloatTensor<Self>,
        layer: LayerTensors<FloatTensor<Self>>,
        beside: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        added::<Self>(x, layer, beside, precision)
    }

    /// z = x w of operands x and w, and f(z + bias) as an operand.
    fn product_activate(
        x: FloatTensor<Self>,
        layer: LayerTensors<FloatTensor<Self>>,
        activation: Activation,
        precision: Precision,
    ) -> [FloatTensor<Self>; 2] {
        activated::<Self>(x, layer, activation, precision)
    }

    /// The gradient of z for that of f(z + bias), which is dy w of operands dy and w. It may come as an
    /// operand if nothing but products reads it (`operand`).
    fn product_slope(
        dy: FloatTensor<Self>,
        w: FloatTensor<Self>,
        z: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        activation: Activation,
        precision: Precision,
        operand: bool,
    ) -> FloatTensor<Self> {
        let _ = operand;
        sloped::<Self>(dy, w, z, bias, activation, precision)
    }

    /// `beside + (x w + bias)`.
    fn linear_onto(
        beside: FloatTensor<Self>,
        x: FloatTensor<Self>,
        layer: LayerTensors<FloatTensor<Self>>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        linear_onto::<Self>(beside, x, layer, precision)
    }

    /// `beside + (f(x w1 + bias1) w2 + bias2)`.
    fn perceptron_onto(
        beside: FloatTensor<Self>,
        x: FloatTensor<Self>,
        layers: [LayerTensors<FloatTensor<Self>>; 2],
        activation: Activation,
        precision: Precision,
    ) -> FloatTensor<Self> {
        perceptron_onto::<Self>(beside, x, layers, activation, precision)
    }
}

impl FusedProducts for Flex {}
