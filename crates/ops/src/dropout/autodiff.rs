use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind, unary},
};
use burn::tensor::ops::FloatTensor;

use super::{DropoutKernels, DropoutMask};

/// y = mask x: dx = mask dy.
#[derive(Debug)]
struct Dropout;

impl<B: DropoutKernels> Backward<B, 1> for Dropout {
    type State = DropoutMask;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let mask = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::dropout(grad, &mask));
    }
}

impl<B: DropoutKernels, C: CheckpointStrategy> DropoutKernels for Autodiff<B, C> {
    fn takes(x: &FloatTensor<Self>) -> bool {
        B::takes(&x.primitive)
    }

    fn dropout(x: FloatTensor<Self>, mask: &DropoutMask) -> FloatTensor<Self> {
        let prep = Backward::<B, 1>::prepare::<C>(Dropout, [x.node.clone()])
            .compute_bound()
            .stateful();
        let y = B::dropout(x.primitive, mask);
        match prep {
            OpsKind::Tracked(prep) => prep.finish(*mask, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}
