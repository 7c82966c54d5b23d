//! The operations by kernels on CubeCL tensors.

use burn::tensor::{
    DType, Shape,
    backend::DeviceOps,
    ops::{FloatTensor, FloatTensorOps},
};
use burn_cubecl::{
    BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement, kernel::into_contiguous,
    tensor::CubeTensor,
};
use cubecl::server::{ComputeServer, Handle};
use dacapo_kernels::activation::{self, ActivationKind};
use dacapo_kernels::sum_all::{Terms, sum_all, sum_each};
use dacapo_kernels::{KernelError, RowShape, l2_normalise, layer_norm, softmax};

use super::{FusedKernels, Normalised};
use crate::Activation;

fn row_shape(shape: &Shape) -> RowShape {
    let width = shape[shape.num_dims() - 1];
    RowShape {
        rows: (shape.num_elements() / width.max(1)) as u64,
        width: width as u64,
    }
}

pub(crate) fn kind(activation: Activation) -> ActivationKind {
    match activation {
        Activation::Gelu => ActivationKind::Gelu,
        Activation::QuickGelu => ActivationKind::QuickGelu,
    }
}

pub(crate) fn handle<R: CubeRuntime>(tensor: CubeTensor<R>) -> Handle {
    into_contiguous(tensor).handle
}

/// What `takes` and the shapes' checks have excluded.
pub(crate) fn launched<T>(result: Result<T, KernelError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// A tensor on the device of `beside`.
pub(crate) fn tensor<R: CubeRuntime>(
    beside: &CubeTensor<R>,
    shape: Shape,
    handle: Handle,
) -> CubeTensor<R> {
    let (client, device) = (beside.client.clone(), beside.device.clone());
    CubeTensor::new_contiguous(client, device, shape, handle, DType::F32)
}

fn total<R: CubeRuntime>(x: CubeTensor<R>, terms: Terms) -> CubeTensor<R> {
    let x = into_contiguous(x);
    let len = x.meta.num_elements() as u64;
    let total = launched(sum_all(&x.client, len, &x.handle, terms));
    tensor(&x, Shape::from(vec![1]), total)
}

impl<R, F, I, BT> FusedKernels for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    R::Server: ComputeServer,
    R::Device: DeviceOps,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn takes(x: &FloatTensor<Self>) -> bool {
        let elements = x.meta.num_elements();
        x.dtype == DType::F32 && elements > 0 && elements as u64 <= RowShape::MAX_LEN
    }

    fn normalise(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: Option<FloatTensor<Self>>,
        eps: f64,
    ) -> Normalised<FloatTensor<Self>> {
        let x = into_contiguous(x);
        let shape = x.meta.shape().clone();
        let rows = row_shape(&shape);
        let (gamma, beta) = (handle(gamma), beta.map(handle));
        let found = layer_norm::layer_norm(
            &x.client,
            rows,
            &x.handle,
            &gamma,
            beta.as_ref(),
            eps as f32,
        );
        let found = launched(found);
        let stat = |handle| tensor(&x, Shape::from(vec![rows.rows as usize]), handle);
        Normalised {
            mean: stat(found.mean),
            rstd: stat(found.rstd),
            y: tensor(&x, shape, found.y),
        }
    }

    fn normalise_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        [mean, rstd]: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        let shape = x.meta.shape().clone();
        let dx = layer_norm::layer_norm_backward(
            &x.client,
            row_shape(&shape),
            &x.handle,
            &handle(gamma),
            [&mean.handle, &rstd.handle],
            &handle(dy),
        );
        tensor(&x, shape, launched(dx))
    }

    fn normalise_parameters_backward(
        x: FloatTensor<Self>,
        stats: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        let RowShape { rows, width } = row_shape(x.meta.shape());
        let [rows, width] = [rows as usize, width as usize];
        let matrix = Shape::from(vec![rows, width]);
        let [mean, rstd] = stats.map(|stat| Self::float_reshape(stat, Shape::from(vec![rows, 1])));
        let x = Self::float_reshape(x, matrix.clone());
        let dy = Self::float_reshape(dy, matrix);
        let h = Self::float_mul(Self::float_sub(x, mean), rstd);
        [Self::float_mul(dy.clone(), h), dy].map(Self::sum_rows)
    }

    fn activate(
        x: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        let shape = x.meta.shape().clone();
        let bias = bias.map(handle);
        let (kind, rows) = (kind(activation), row_shape(&shape));
        let y = activation::activation(&x.client, kind, rows, &x.handle, bias.as_ref());
        tensor(&x, shape, launched(y))
    }

    fn activate_backward(
        x: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        dy: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        let shape = x.meta.shape().clone();
        let (bias, dy) = (bias.map(handle), handle(dy));
        let dx = activation::activation_backward(
            &x.client,
            kind(activation),
            row_shape(&shape),
            &x.handle,
            bias.as_ref(),
            &dy,
        );
        tensor(&x, shape, launched(dx))
    }

    fn sum_rows(dy: FloatTensor<Self>) -> FloatTensor<Self> {
        let RowShape { rows, width } = row_shape(dy.meta.shape());
        let [rows, width] = [rows as usize, width as usize];
        let dy = Self::float_reshape(dy, Shape::from(vec![rows, width]));
        Self::float_reshape(Self::float_sum_dim(dy, 0), Shape::from(vec![width]))
    }

    fn sum_all(x: FloatTensor<Self>) -> FloatTensor<Self> {
        total(x, Terms::Elements)
    }

    fn sum_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
        total(x, Terms::Squares)
    }

    fn sum_squares_each(tensors: Vec<FloatTensor<Self>>) -> FloatTensor<Self> {
        let tensors: Vec<_> = tensors.into_iter().map(into_contiguous).collect();
        let each = tensors.iter();
        let each = each.map(|x| (x.meta.num_elements() as u64, &x.handle));
        let each: Vec<_> = each.collect();
        let totals = launched(sum_each(&tensors[0].client, &each, Terms::Squares));
        tensor(&tensors[0], Shape::from(vec![tensors.len()]), totals)
    }

    /// A view, which products read in place.
    fn swap_heads(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_swap_dims(x, 1, 2)
    }

    fn l2_normalise(x: FloatTensor<Self>) -> [FloatTensor<Self>; 2] {
        let x = into_contiguous(x);
        let shape = x.meta.shape().clone();
        let rows = row_shape(&shape);
        let [y, norms] = launched(l2_normalise::l2_normalise(&x.client, rows, &x.handle));
        let lengths = Shape::from(vec![rows.rows as usize]);
        [tensor(&x, shape, y), tensor(&x, lengths, norms)]
    }

    fn l2_normalise_backward(
        [y, norms]: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let y = into_contiguous(y);
        let shape = y.meta.shape().clone();
        let (rows, norms, dy) = (row_shape(&shape), handle(norms), handle(dy));
        let dx = l2_normalise::l2_normalise_backward(&y.client, rows, &y.handle, &norms, &dy);
        tensor(&y, shape, launched(dx))
    }

    fn scaled_softmax(x: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        let shape = x.meta.shape().clone();
        let y = softmax::softmax(&x.client, row_shape(&shape), &x.handle, scale as f32);
        tensor(&x, shape, launched(y))
    }

    fn scaled_softmax_backward(
        y: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let y = into_contiguous(y);
        let shape = y.meta.shape().clone();
        let (rows, dy) = (row_shape(&shape), handle(dy));
        let dx = softmax::softmax_backward(&y.client, rows, &y.handle, &dy, scale as f32);
        tensor(&y, shape, launched(dx))
    }
}
