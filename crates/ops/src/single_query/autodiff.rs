//! The attention of one token with its gradients.

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{backend::AutodiffBackend, ops::FloatTensor};

use super::SingleQueryKernels;
use crate::Precision;

#[derive(Debug)]
struct SingleQuery;

#[derive(Clone, Debug)]
struct State<T> {
    asking: T,
    x: T,
    shares: T,
    scale: f64,
    precision: Precision,
}

impl<B: SingleQueryKernels> Backward<B, 2> for SingleQuery {
    type State = State<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<B>(&ops.node);
        let State {
            asking,
            x,
            shares,
            scale,
            precision,
        } = ops.state;
        let wanted = [ops.parents[0].is_some(), ops.parents[1].is_some()];
        let found = B::attend_backward(asking, x, shares, dy, scale, precision, wanted);
        for (node, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: SingleQueryKernels, C: CheckpointStrategy> SingleQueryKernels for Autodiff<B, C> {
    fn takes(asking: &FloatTensor<Self>, x: &FloatTensor<Self>, precision: Precision) -> bool {
        B::takes(&asking.primitive, &x.primitive, precision)
    }

    fn attend(
        asking: FloatTensor<Self>,
        x: FloatTensor<Self>,
        scale: f64,
        precision: Precision,
    ) -> [FloatTensor<Self>; 2] {
        let nodes = [asking.node, x.node];
        let (asking, x) = (asking.primitive, x.primitive);
        let [y, shares] = B::attend(asking.clone(), x.clone(), scale, precision);
        let constant = <Self as AutodiffBackend>::from_inner(shares.clone());
        let y = match Backward::<B, 2>::prepare::<C>(SingleQuery, nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let state = State {
                    asking,
                    x,
                    shares,
                    scale,
                    precision,
                };
                prep.finish(state, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(y),
        };
        [y, constant]
    }

    fn attend_backward(
        asking: FloatTensor<Self>,
        x: FloatTensor<Self>,
        shares: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        scale: f64,
        precision: Precision,
        wanted: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2] {
        // Gradients of gradients are not recorded.
        let [asking, x, shares, dy] = [asking, x, shares, dy].map(|tensor| tensor.primitive);
        let found = B::attend_backward(asking, x, shares, dy, scale, precision, wanted);
        found.map(|gradient| gradient.map(<Self as AutodiffBackend>::from_inner))
    }
}
