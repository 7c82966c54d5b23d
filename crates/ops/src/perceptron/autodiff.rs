//! The layers with their gradients, each as one recorded operation.

use burn::backend::autodiff::{
    Autodiff, NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind, broadcast_shape},
};
use burn::tensor::{FloatDType, Shape, TensorMetadata, backend::AutodiffBackend, ops::FloatTensor};

use super::compositions::{both_sizes, operand, sizes};
use super::fused_products::{FusedProducts, LayerTensors};
use crate::{Activation, Precision, ProductSizes};

#[derive(Debug)]
struct LinearOnto;

/// Parents: x, weight, bias, for which x stands where there is none, and beside. An operand is there
/// only if the *other* one is tracked.
#[derive(Clone, Debug)]
struct LinearState<T> {
    x: Option<T>,
    weight: Option<T>,
    biased: bool,
    sizes: ProductSizes,
    precision: Precision,
}

impl<B: FusedProducts> Backward<B, 4> for LinearOnto {
    type State = LinearState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<B>(&ops.node);
        let LinearState {
            x,
            weight,
            biased,
            sizes,
            precision,
        } = ops.state;
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        let [x_node, weight_node, bias_node, beside_node] = parents;
        bias_gradient::<B>(bias_node.filter(|_| biased), &dy, grads);
        if x_node.is_some() || weight_node.is_some() {
            let grad = B::operand_of(dy.clone(), sizes, precision);
            operand_gradients::<B>([x_node, weight_node], [x, weight], grad, precision, grads);
        }
        if let Some(node) = beside_node {
            grads.register::<B>(node, dy);
        }
    }
}

#[derive(Debug)]
struct PerceptronOnto;

/// Parents: x, first weight and bias, second weight and bias, and beside; x stands for a bias where
/// there is none.
#[derive(Clone, Debug)]
struct PerceptronState<T> {
    x: Option<T>,
    first: Option<T>,
    second: Option<T>,
    hidden: Option<T>,
    /// What the activation was computed of, without the bias.
    z: Option<T>,
    bias: Option<T>,
    biased: [bool; 2],
    sizes: [ProductSizes; 2],
    activation: Activation,
    precision: Precision,
}

impl<B: FusedProducts> Backward<B, 6> for PerceptronOnto {
    type State = PerceptronState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 6>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<B>(&ops.node);
        let PerceptronState {
            x,
            first,
            second,
            hidden,
            z,
            bias,
            biased,
            sizes: [of_first, of_second],
            activation,
            precision,
        } = ops.state;
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        let [
            x_node,
            first_node,
            first_bias,
            second_node,
            second_bias,
            beside_node,
        ] = parents;
        let first_bias = first_bias.filter(|_| biased[0]);
        bias_gradient::<B>(second_bias.filter(|_| biased[1]), &dy, grads);
        let below = x_node.is_some() || first_node.is_some() || first_bias.is_some();
        if below || second_node.is_some() {
            let grad = B::operand_of(dy.clone(), of_second, precision);
            if let (Some(second), Some(z)) = (second, z) {
                let second = B::float_transpose(second);
                let alone = first_bias.is_none();
                let dz =
                    B::product_slope(grad.clone(), second, z, bias, activation, precision, alone);
                if let Some(node) = first_bias {
                    grads.register::<B>(node, B::sum_rows(dz.clone()));
                }
                if x_node.is_some() || first_node.is_some() {
                    let dz = B::operand_of(dz, of_first, precision);
                    operand_gradients::<B>([x_node, first_node], [x, first], dz, precision, grads);
                }
            }
            operand_gradients::<B>([None, second_node], [hidden, None], grad, precision, grads);
        }
        if let Some(node) = beside_node {
            grads.register::<B>(node, dy);
        }
    }
}

/// The gradient of a bias: the sum over all rows.
fn bias_gradient<B: FusedProducts>(
    node: Option<NodeId>,
    dy: &FloatTensor<B>,
    grads: &mut Gradients,
) {
    if let Some(node) = node {
        let n = dy.shape()[1];
        let sum = broadcast_shape::<B>(dy.clone(), &Shape::from(vec![1, n]));
        grads.register::<B>(node, B::float_reshape(sum, Shape::from(vec![n])));
    }
}

/// The gradients of the two operands of a product for the operand `grad` of its result.
fn operand_gradients<B: FusedProducts>(
    [x_node, weight_node]: [Option<NodeId>; 2],
    [x, weight]: [Option<FloatTensor<B>>; 2],
    grad: FloatTensor<B>,
    precision: Precision,
    grads: &mut Gradients,
) {
    if let (Some(node), Some(weight)) = (x_node, weight) {
        let weight = B::float_transpose(weight);
        let found = B::product(grad.clone(), weight, precision, FloatDType::F32);
        grads.register::<B>(node, found);
    }
    if let (Some(node), Some(x)) = (weight_node, x) {
        let x = B::float_transpose(x);
        let found = B::product(x, grad, precision, FloatDType::F32);
        grads.register::<B>(node, found);
    }
}

/// Of a layer that is kept, not taken apart: what no tensor holds, a backward pass of another thread
/// frees until its child is recorded.
fn primitives<B: FusedProducts, C: CheckpointStrategy>(
    layer: &LayerTensors<FloatTensor<Autodiff<B, C>>>,
) -> LayerTensors<FloatTensor<B>> {
    layer.map(|tensor| tensor.primitive.clone())
}

impl<B: FusedProducts, C: CheckpointStrategy> FusedProducts for Autodiff<B, C> {
    fn product_add(
        x: FloatTensor<Self>,
        layer: LayerTensors<FloatTensor<Self>>,
        beside: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        // These three are pieces of what is recorded, and not recorded themselves.
        let layer = primitives::<B, C>(&layer);
        let y = B::product_add(x.primitive, layer, beside.primitive, precision);
        <Self as AutodiffBackend>::from_inner(y)
    }

    fn product_activate(
        x: FloatTensor<Self>,
        layer: LayerTensors<FloatTensor<Self>>,
        activation: Activation,
        precision: Precision,
    ) -> [FloatTensor<Self>; 2] {
        let layer = primitives::<B, C>(&layer);
        let found = B::product_activate(x.primitive, layer, activation, precision);
        found.map(<Self as AutodiffBackend>::from_inner)
    }

    fn product_slope(
        dy: FloatTensor<Self>,
        w: FloatTensor<Self>,
        z: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        activation: Activation,
        precision: Precision,
        operand: bool,
    ) -> FloatTensor<Self> {
        let bias = bias.map(|bias| bias.primitive);
        let [dy, w, z] = [dy, w, z].map(|tensor| tensor.primitive);
        let dz = B::product_slope(dy, w, z, bias, activation, precision, operand);
        <Self as AutodiffBackend>::from_inner(dz)
    }

    fn linear_onto(
        beside: FloatTensor<Self>,
        x: FloatTensor<Self>,
        layer: LayerTensors<FloatTensor<Self>>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let nodes = [
            x.node.clone(),
            layer.weight.node.clone(),
            layer.bias.as_ref().unwrap_or(&x).node.clone(),
            beside.node.clone(),
        ];
        let (x_tracked, weight_tracked) = (x.is_tracked(), layer.weight.is_tracked());
        let layer = primitives::<B, C>(&layer);
        let sizes = sizes::<B>(&x.primitive, &layer);
        let layer = operand::<B>(layer, sizes, precision);
        let x = B::operand_of(x.primitive, sizes, precision);
        let state = LinearState {
            x: weight_tracked.then(|| x.clone()),
            weight: x_tracked.then(|| layer.weight.clone()),
            biased: layer.bias.is_some(),
            sizes,
            precision,
        };
        let y = B::product_add(x, layer, beside.primitive, precision);
        match Backward::<B, 4>::prepare::<C>(LinearOnto, nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(state, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn perceptron_onto(
        beside: FloatTensor<Self>,
        x: FloatTensor<Self>,
        layers: [LayerTensors<FloatTensor<Self>>; 2],
        activation: Activation,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let [first, second] = &layers;
        let bias_node = |layer: &LayerTensors<FloatTensor<Self>>| {
            layer.bias.as_ref().unwrap_or(&x).node.clone()
        };
        let nodes = [
            x.node.clone(),
            first.weight.node.clone(),
            bias_node(first),
            second.weight.node.clone(),
            bias_node(second),
            beside.node.clone(),
        ];
        let (x_tracked, first_tracked) = (x.is_tracked(), first.weight.is_tracked());
        let second_tracked = second.weight.is_tracked();
        let bias_tracked = first.bias.as_ref().is_some_and(|bias| bias.is_tracked());
        let below = x_tracked || first_tracked || bias_tracked;
        let layers = layers.each_ref().map(primitives::<B, C>);
        let sizes = both_sizes::<B>(&x.primitive, &layers);
        let ([first, second], [of_first, of_second]) = (layers, sizes);
        let first = operand::<B>(first, of_first, precision);
        let second = operand::<B>(second, of_second, precision);
        let x = B::operand_of(x.primitive, of_first, precision);
        let mut state = PerceptronState {
            x: first_tracked.then(|| x.clone()),
            first: x_tracked.then(|| first.weight.clone()),
            second: below.then(|| second.weight.clone()),
            hidden: None,
            z: None,
            bias: first.bias.clone().filter(|_| below),
            biased: [first.bias.is_some(), second.bias.is_some()],
            sizes,
            activation,
            precision,
        };
        let [z, hidden] = B::product_activate(x, first, activation, precision);
        state.z = below.then_some(z);
        state.hidden = second_tracked.then(|| hidden.clone());
        let y = B::product_add(hidden, second, beside.primitive, precision);
        match Backward::<B, 6>::prepare::<C>(PerceptronOnto, nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(state, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}
