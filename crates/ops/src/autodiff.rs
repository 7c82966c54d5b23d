//! The product with its gradients, over any backend that has planned products.

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind, broadcast_shape},
};
use burn::tensor::{FloatDType, Shape, TensorMetadata, backend::Backend, ops::FloatTensor};

use crate::{PlannedMatmul, Precision, ProductSizes};

/// Y = L R: dL = dY R^T, dR = L^T dY.
#[derive(Debug)]
struct Product;

/// What the backward pass needs. An operand is there only if the *other* one is tracked.
#[derive(Clone, Debug)]
struct State<T> {
    lhs: Option<T>,
    rhs: Option<T>,
    lhs_shape: Shape,
    rhs_shape: Shape,
    precision: Precision,
    dtype: FloatDType,
}

impl<B: PlannedMatmul> Backward<B, 2> for Product {
    type State = State<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let State {
            lhs,
            rhs,
            lhs_shape,
            rhs_shape,
            precision,
            dtype,
        } = ops.state;
        let sizes = ProductSizes::of(&lhs_shape, &rhs_shape);
        let grad = B::operand_of(grads.consume::<B>(&ops.node), sizes, precision);
        let [lhs_node, rhs_node] = ops.parents;
        if let (Some(node), Some(rhs)) = (lhs_node, rhs) {
            let rhs = B::float_transpose(rhs);
            let found = B::product(grad.clone(), rhs, precision, dtype);
            grads.register::<B>(node.id, broadcast_shape::<B>(found, &lhs_shape));
        }
        if let (Some(node), Some(lhs)) = (rhs_node, lhs) {
            let lhs = B::float_transpose(lhs);
            let found = B::product(lhs, grad, precision, dtype);
            grads.register::<B>(node.id, broadcast_shape::<B>(found, &rhs_shape));
        }
    }
}

impl<B: PlannedMatmul, C: CheckpointStrategy> PlannedMatmul for Autodiff<B, C> {
    fn supports(device: &Self::Device, precision: Precision) -> bool {
        B::supports(device, precision)
    }

    /// Itself: rounding is part of the product, whose gradient it does not change.
    fn operand(tensor: FloatTensor<Self>, _precision: Precision) -> FloatTensor<Self> {
        tensor
    }

    fn product(
        lhs: FloatTensor<Self>,
        rhs: FloatTensor<Self>,
        precision: Precision,
        out: FloatDType,
    ) -> FloatTensor<Self> {
        let (lhs_tracked, rhs_tracked) = (lhs.is_tracked(), rhs.is_tracked());
        let (lhs_shape, rhs_shape) = (lhs.shape(), rhs.shape());
        let dtype: FloatDType = lhs.dtype().into();
        let nodes = [lhs.node.clone(), rhs.node.clone()];
        let sizes = ProductSizes::of(&lhs_shape, &rhs_shape);
        let lhs = B::operand_of(lhs.primitive, sizes, precision);
        let rhs = B::right_operand_of(rhs.primitive, sizes, precision);
        match Backward::<B, 2>::prepare::<C>(Product, nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let state = State {
                    lhs: rhs_tracked.then(|| lhs.clone()),
                    rhs: lhs_tracked.then(|| rhs.clone()),
                    lhs_shape,
                    rhs_shape,
                    precision,
                    dtype,
                };
                prep.finish(state, B::product(lhs, rhs, precision, out))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::product(lhs, rhs, precision, out)),
        }
    }
}

/// The device of a tensor, for messages and checks.
pub(crate) fn device<B: Backend>(tensor: &FloatTensor<B>) -> B::Device {
    B::float_device(tensor)
}
