//! The operations with their gradients, over any backend that has them.

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind, broadcast_shape, unary},
};
use burn::tensor::{Shape, TensorMetadata, backend::AutodiffBackend, ops::FloatTensor};

use super::{FusedKernels, Normalised};
use crate::Activation;

#[derive(Debug)]
struct LayerNorm;

/// Parents: x, gamma, and beta, for which gamma stands where there is none.
#[derive(Clone, Debug)]
struct LayerNormState<T> {
    x: T,
    gamma: T,
    stats: [T; 2],
    beta: bool,
}

impl<B: FusedKernels> Backward<B, 3> for LayerNorm {
    type State = LayerNormState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<B>(&ops.node);
        let LayerNormState {
            x,
            gamma,
            stats,
            beta,
        } = ops.state;
        let [x_node, gamma_node, beta_node] = ops.parents;
        let beta_node = beta_node.filter(|_| beta);
        if gamma_node.is_some() || beta_node.is_some() {
            let found = B::normalise_parameters_backward(x.clone(), stats.clone(), dy.clone());
            for (node, gradient) in [gamma_node, beta_node].into_iter().zip(found) {
                if let Some(node) = node {
                    grads.register::<B>(node.id, gradient);
                }
            }
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, B::normalise_backward(x, gamma, stats, dy));
        }
    }
}

/// The state is the shape of the row.
#[derive(Debug)]
struct AddRow;

impl<B: FusedKernels> Backward<B, 2> for AddRow {
    type State = Shape;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<B>(&ops.node);
        let [x_node, row_node] = ops.parents;
        if let Some(node) = row_node {
            grads.register::<B>(node.id, broadcast_shape::<B>(dy.clone(), &ops.state));
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, dy);
        }
    }
}

#[derive(Debug)]
struct Activate;

#[derive(Clone, Debug)]
struct ActivateState<T> {
    x: T,
    bias: Option<T>,
    activation: Activation,
}

/// Without a bias.
impl<B: FusedKernels> Backward<B, 1> for Activate {
    type State = ActivateState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let ActivateState {
            x,
            bias,
            activation,
        } = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |dy| {
            B::activate_backward(x, bias, dy, activation)
        });
    }
}

/// With one.
impl<B: FusedKernels> Backward<B, 2> for Activate {
    type State = ActivateState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<B>(&ops.node);
        let ActivateState {
            x,
            bias,
            activation,
        } = ops.state;
        let dx = B::activate_backward(x, bias, dy, activation);
        let [x_node, bias_node] = ops.parents;
        if let Some(node) = bias_node {
            grads.register::<B>(node.id, B::sum_rows(dx.clone()));
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, dx);
        }
    }
}

#[derive(Debug)]
struct SwapHeads;

impl<B: FusedKernels> Backward<B, 1> for SwapHeads {
    type State = ();

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        unary::<B, _>(ops.parents, ops.node, grads, B::swap_heads);
    }
}

#[derive(Debug)]
struct SumAll;

impl<B: FusedKernels> Backward<B, 1> for SumAll {
    /// The shape of x.
    type State = Shape;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let shape = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |dy| {
            let ones = Shape::from(vec![1; shape.num_dims()]);
            B::float_expand(B::float_reshape(dy, ones), shape)
        });
    }
}

/// Y = |x|^2 / n: dx = 2 / n dY x.
#[cfg(feature = "cube")]
#[derive(Debug)]
struct MeanSquare;

#[cfg(feature = "cube")]
impl<B: FusedKernels> Backward<B, 1> for MeanSquare {
    /// x.
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let x = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |dy| {
            let shape = x.shape();
            let factor = 2.0 / shape.num_elements() as f64;
            let factor = B::float_mul_scalar(dy, factor.into());
            let ones = Shape::from(vec![1; shape.num_dims()]);
            B::float_mul(x, B::float_reshape(factor, ones))
        });
    }
}

#[derive(Debug)]
struct L2Normalise;

impl<B: FusedKernels> Backward<B, 1> for L2Normalise {
    /// y and the norms.
    type State = [FloatTensor<B>; 2];

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let found = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |dy| {
            B::l2_normalise_backward(found, dy)
        });
    }
}

#[derive(Debug)]
struct Softmax;

impl<B: FusedKernels> Backward<B, 1> for Softmax {
    /// y and the scale.
    type State = (FloatTensor<B>, f64);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (y, scale) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |dy| {
            B::scaled_softmax_backward(y, dy, scale)
        });
    }
}

impl<B: FusedKernels, C: CheckpointStrategy> FusedKernels for Autodiff<B, C> {
    fn takes(x: &FloatTensor<Self>) -> bool {
        B::takes(&x.primitive)
    }

    fn normalise(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: Option<FloatTensor<Self>>,
        eps: f64,
    ) -> Normalised<FloatTensor<Self>> {
        let third = beta.as_ref().unwrap_or(&gamma).node.clone();
        let nodes = [x.node.clone(), gamma.node.clone(), third];
        let (x, gamma) = (x.primitive, gamma.primitive);
        let shifted = beta.is_some();
        let found = B::normalise(
            x.clone(),
            gamma.clone(),
            // Not taken apart: what no tensor holds, a backward pass of another thread frees.
            beta.as_ref().map(|beta| beta.primitive.clone()),
            eps,
        );
        let constants = found.clone().map(<Self as AutodiffBackend>::from_inner);
        let y = match Backward::<B, 3>::prepare::<C>(LayerNorm, nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let state = LayerNormState {
                    x,
                    gamma,
                    stats: [found.mean, found.rstd],
                    beta: shifted,
                };
                prep.finish(state, found.y)
            }
            OpsKind::UnTracked(prep) => prep.finish(found.y),
        };
        Normalised { y, ..constants }
    }

    fn normalise_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        stats: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        // Gradients of gradients are not recorded.
        let stats = stats.map(|stat| stat.primitive);
        let dx = B::normalise_backward(x.primitive, gamma.primitive, stats, dy.primitive);
        <Self as AutodiffBackend>::from_inner(dx)
    }

    fn normalise_parameters_backward(
        x: FloatTensor<Self>,
        stats: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        let stats = stats.map(|stat| stat.primitive);
        let found = B::normalise_parameters_backward(x.primitive, stats, dy.primitive);
        found.map(<Self as AutodiffBackend>::from_inner)
    }

    fn activate(
        x: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let x_node = x.node.clone();
        let bias_node = bias.as_ref().map(|bias| bias.node.clone());
        // Not taken apart, as in `normalise`.
        let shift = bias.as_ref().map(|bias| bias.primitive.clone());
        let y = B::activate(x.primitive.clone(), shift.clone(), activation);
        let state = ActivateState {
            x: x.primitive,
            bias: shift,
            activation,
        };
        macro_rules! record {
            ($nodes:expr, $parents:literal) => {
                match Backward::<B, $parents>::prepare::<C>(Activate, $nodes)
                    .compute_bound()
                    .stateful()
                {
                    OpsKind::Tracked(prep) => prep.finish(state, y),
                    OpsKind::UnTracked(prep) => prep.finish(y),
                }
            };
        }
        match bias_node {
            Some(bias_node) => record!([x_node, bias_node], 2),
            None => record!([x_node], 1),
        }
    }

    fn activate_backward(
        x: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        dy: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let bias = bias.map(|bias| bias.primitive);
        let dx = B::activate_backward(x.primitive, bias, dy.primitive, activation);
        <Self as AutodiffBackend>::from_inner(dx)
    }

    fn sum_rows(dy: FloatTensor<Self>) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(B::sum_rows(dy.primitive))
    }

    fn sum_all(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = x.shape();
        let sum = B::sum_all(x.primitive);
        match Backward::<B, 1>::prepare::<C>(SumAll, [x.node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(shape, sum),
            OpsKind::UnTracked(prep) => prep.finish(sum),
        }
    }

    #[cfg(feature = "cube")]
    fn mean_square(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let mean = B::mean_square(x.primitive.clone());
        match Backward::<B, 1>::prepare::<C>(MeanSquare, [x.node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(x.primitive, mean),
            OpsKind::UnTracked(prep) => prep.finish(mean),
        }
    }

    fn l2_normalise(x: FloatTensor<Self>) -> [FloatTensor<Self>; 2] {
        let [y, norms] = B::l2_normalise(x.primitive);
        let constant = <Self as AutodiffBackend>::from_inner(norms.clone());
        let y = match Backward::<B, 1>::prepare::<C>(L2Normalise, [x.node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish([y.clone(), norms], y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        };
        [y, constant]
    }

    fn l2_normalise_backward(
        found: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let found = found.map(|tensor| tensor.primitive);
        let dx = B::l2_normalise_backward(found, dy.primitive);
        <Self as AutodiffBackend>::from_inner(dx)
    }

    fn add_row(x: FloatTensor<Self>, row: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = row.shape();
        let sum = B::add_row(x.primitive, row.primitive);
        match Backward::<B, 2>::prepare::<C>(AddRow, [x.node, row.node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(shape, sum),
            OpsKind::UnTracked(prep) => prep.finish(sum),
        }
    }

    fn swap_heads(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Backward::<B, 1>::prepare::<C>(SwapHeads, [x.node])
            .compute_bound()
            .stateless(B::swap_heads(x.primitive))
    }

    fn scaled_softmax(x: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        let y = B::scaled_softmax(x.primitive, scale);
        match Backward::<B, 1>::prepare::<C>(Softmax, [x.node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((y.clone(), scale), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn scaled_softmax_backward(
        y: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(B::scaled_softmax_backward(
            y.primitive,
            dy.primitive,
            scale,
        ))
    }
}
