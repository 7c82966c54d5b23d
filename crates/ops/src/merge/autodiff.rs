//! The merge with its gradients, over any backend that has the kernels.

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{backend::AutodiffBackend, ops::FloatTensor};

use dacapo_kernels::dora_merge::MergeError;

use super::{MergeKernels, MergeNorms, MergeSpec, MergeTensors, Merged};

/// W' as a function of A, B and m.
#[derive(Debug)]
struct Merge;

/// What the backward pass needs: what the forward pass read, and the norms. V is neither kept nor
/// computed again.
#[derive(Clone, Debug)]
struct State<T> {
    tensors: MergeTensors<T>,
    norms: MergeNorms<T>,
    spec: MergeSpec,
}

impl<B: MergeKernels> Backward<B, 3> for Merge {
    type State = State<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<B>(&ops.node);
        let State {
            tensors,
            norms,
            spec,
        } = ops.state;
        // All three, whoever wants them: they come from the same products.
        let found = B::gradients(tensors, &spec, norms, gradient);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: MergeKernels, C: CheckpointStrategy> MergeKernels for Autodiff<B, C> {
    fn takes(tensors: &MergeTensors<FloatTensor<Self>>) -> bool {
        B::takes(&tensors.clone().map(|tensor| tensor.primitive))
    }

    fn merge(
        tensors: MergeTensors<FloatTensor<Self>>,
        spec: &MergeSpec,
    ) -> Result<Merged<FloatTensor<Self>>, MergeError> {
        let trained = [&tensors.lora_a, &tensors.lora_b, &tensors.magnitude];
        let nodes = trained.map(|tensor| tensor.node.clone());
        // A clone is taken apart: what no tensor holds, a backward pass of another thread frees.
        let held = tensors.clone();
        let tensors = tensors.map(|tensor| tensor.primitive);
        let (merged, norms) = B::merge(tensors.clone(), spec)?;
        let constants = norms.clone().map(<Self as AutodiffBackend>::from_inner);
        let prep = Backward::<B, 3>::prepare::<C>(Merge, nodes).compute_bound();
        let merged = match prep.stateful() {
            OpsKind::Tracked(prep) => {
                let state = State {
                    tensors,
                    norms,
                    spec: *spec,
                };
                prep.finish(state, merged)
            }
            OpsKind::UnTracked(prep) => prep.finish(merged),
        };
        drop(held);
        Ok((merged, constants))
    }

    fn norm(
        tensors: MergeTensors<FloatTensor<Self>>,
        spec: &MergeSpec,
    ) -> Result<FloatTensor<Self>, MergeError> {
        let norm = B::norm(tensors.map(|tensor| tensor.primitive), spec)?;
        Ok(<Self as AutodiffBackend>::from_inner(norm))
    }

    fn gradients(
        tensors: MergeTensors<FloatTensor<Self>>,
        spec: &MergeSpec,
        norms: MergeNorms<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        // Gradients of gradients are not recorded.
        let tensors = tensors.map(|tensor| tensor.primitive);
        let norms = norms.map(|norm| norm.primitive);
        let found = B::gradients(tensors, spec, norms, gradient.primitive);
        found.map(<Self as AutodiffBackend>::from_inner)
    }
}
