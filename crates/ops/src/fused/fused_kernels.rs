#[cfg(feature = "cube")]
use burn::tensor::TensorMetadata;
use burn::tensor::{backend::Backend, ops::FloatTensor};

use crate::Activation;

/// y of a layer normalisation, and what its gradients need.
#[derive(Clone, Debug)]
pub(crate) struct Normalised<T> {
    pub y: T,
    /// Mean of each row, `[rows]`.
    pub mean: T,
    /// 1 / sqrt(variance + eps) of each row, `[rows]`.
    pub rstd: T,
}

impl<T> Normalised<T> {
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Normalised<U> {
        Normalised {
            y: f(self.y),
            mean: f(self.mean),
            rstd: f(self.rstd),
        }
    }
}

/// A backend with the operations of this module over the last dimension of f32 tensors.
pub(crate) trait FusedKernels: Backend {
    /// Whether it takes the float type and the size of `x`.
    fn takes(x: &FloatTensor<Self>) -> bool;

    /// `gamma` and `beta` are `[width]`.
    fn normalise(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: Option<FloatTensor<Self>>,
        eps: f64,
    ) -> Normalised<FloatTensor<Self>>;

    /// The gradient of x for that of y, `dy`. `stats` are mean and rstd.
    fn normalise_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        stats: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// The gradients of gamma and beta, each `[width]`.
    fn normalise_parameters_backward(
        x: FloatTensor<Self>,
        stats: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2];

    /// f(x + bias), `bias` `[width]`.
    fn activate(
        x: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        activation: Activation,
    ) -> FloatTensor<Self>;

    /// The gradient of x for that of y, `dy`.
    fn activate_backward(
        x: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        dy: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;

    /// The sum over all rows of `dy`, `[width]`: the gradient of a bias.
    fn sum_rows(dy: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The sum of all elements, `[1]`.
    fn sum_all(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The sum of all elements' squares, `[1]`.
    fn sum_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::sum_all(Self::float_mul(x.clone(), x))
    }

    /// [`sum_squares`](Self::sum_squares) of each of these tensors of one dimension, at least one,
    /// `[tensors]`.
    #[cfg(feature = "cube")]
    fn sum_squares_each(tensors: Vec<FloatTensor<Self>>) -> FloatTensor<Self> {
        Self::float_cat(tensors.into_iter().map(Self::sum_squares).collect(), 0)
    }

    /// The mean of all elements' squares, `[1]`.
    #[cfg(feature = "cube")]
    fn mean_square(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let elements = x.shape().num_elements() as f64;
        Self::float_div_scalar(Self::sum_squares(x), elements.into())
    }

    /// Each row over its Euclidean norm, and the norms `[rows]`.
    fn l2_normalise(x: FloatTensor<Self>) -> [FloatTensor<Self>; 2];

    /// The gradient of x from y, the norms and y's gradient `dy`.
    fn l2_normalise_backward(
        found: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// `x + row`, of `[n, ..]` and `[1, ..]`.
    fn add_row(x: FloatTensor<Self>, row: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_add(x, row)
    }

    /// `x` `[n, a, b, width]` as `[n, b, a, width]`.
    fn swap_heads(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The softmax of `scale x`.
    fn scaled_softmax(x: FloatTensor<Self>, scale: f64) -> FloatTensor<Self>;

    /// The gradient of x from y and its gradient `dy`.
    fn scaled_softmax_backward(
        y: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self>;
}
