//! The same by products and operations of their own.

use burn::tensor::{FloatDType, Shape, TensorMetadata, ops::FloatTensor};

use super::fused_products::{FusedProducts, LayerTensors};
use crate::{Activation, Precision, ProductSizes};

pub(super) fn added<B: FusedProducts>(
    x: FloatTensor<B>,
    layer: LayerTensors<FloatTensor<B>>,
    beside: FloatTensor<B>,
    precision: Precision,
) -> FloatTensor<B> {
    let y = B::product(x, layer.weight, precision, FloatDType::F32);
    let y = match layer.bias {
        Some(bias) => {
            let n = bias.shape()[0];
            B::add_row(y, B::float_reshape(bias, Shape::from(vec![1, n])))
        }
        None => y,
    };
    B::float_add(beside, y)
}

pub(super) fn activated<B: FusedProducts>(
    x: FloatTensor<B>,
    layer: LayerTensors<FloatTensor<B>>,
    activation: Activation,
    precision: Precision,
) -> [FloatTensor<B>; 2] {
    let z = B::product(x, layer.weight, precision, FloatDType::F32);
    let hidden = B::activate(z.clone(), layer.bias, activation);
    [z, B::operand(hidden, precision)]
}

pub(super) fn sloped<B: FusedProducts>(
    dy: FloatTensor<B>,
    w: FloatTensor<B>,
    z: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    activation: Activation,
    precision: Precision,
) -> FloatTensor<B> {
    let dy = B::product(dy, w, precision, FloatDType::F32);
    B::activate_backward(z, bias, dy, activation)
}

pub(super) fn linear_onto<B: FusedProducts>(
    beside: FloatTensor<B>,
    x: FloatTensor<B>,
    layer: LayerTensors<FloatTensor<B>>,
    precision: Precision,
) -> FloatTensor<B> {
    let sizes = sizes::<B>(&x, &layer);
    let layer = operand::<B>(layer, sizes, precision);
    let x = B::operand_of(x, sizes, precision);
    B::product_add(x, layer, beside, precision)
}

pub(super) fn perceptron_onto<B: FusedProducts>(
    beside: FloatTensor<B>,
    x: FloatTensor<B>,
    layers: [LayerTensors<FloatTensor<B>>; 2],
    activation: Activation,
    precision: Precision,
) -> FloatTensor<B> {
    let [of_first, of_second] = both_sizes::<B>(&x, &layers);
    let [first, second] = layers;
    let first = operand::<B>(first, of_first, precision);
    let second = operand::<B>(second, of_second, precision);
    let x = B::operand_of(x, of_first, precision);
    let [_, hidden] = B::product_activate(x, first, activation, precision);
    B::product_add(hidden, second, beside, precision)
}

/// Those of the layer's product with the rows `x`.
pub(super) fn sizes<B: FusedProducts>(
    x: &FloatTensor<B>,
    layer: &LayerTensors<FloatTensor<B>>,
) -> ProductSizes {
    ProductSizes::of(&x.shape(), &layer.weight.shape())
}

/// Those of two layers after each other.
pub(super) fn both_sizes<B: FusedProducts>(
    x: &FloatTensor<B>,
    [first, second]: &[LayerTensors<FloatTensor<B>>; 2],
) -> [ProductSizes; 2] {
    let rows = x.shape()[0];
    let after = |layer: &LayerTensors<FloatTensor<B>>| {
        let [k, n] = layer.weight.shape().dims();
        ProductSizes {
            batch: 1,
            m: rows,
            k,
            n,
        }
    };
    [after(first), after(second)]
}

/// The layer with its weight as an operand.
pub(super) fn operand<B: FusedProducts>(
    layer: LayerTensors<FloatTensor<B>>,
    sizes: ProductSizes,
    precision: Precision,
) -> LayerTensors<FloatTensor<B>> {
    LayerTensors {
        weight: B::right_operand_of(layer.weight, sizes, precision),
        ..layer
    }
}
