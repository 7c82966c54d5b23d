use burn::tensor::{Tensor, TensorPrimitive, backend::Backend, ops::FloatTensor};

use super::FusedKernels;
use crate::dispatch::{same, with_fused, with_kernels};

/// The sum of all elements, differentiable: with the same bits every time.
///
/// Burn's own `sum` and `mean` add the parts of a large tensor atomically where a device can, in
/// whichever order they arrive.
pub fn sum<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 1> {
    let x = x.into_primitive().tensor();
    with_fused!(B, &x, K => {
        let sum = same(K::sum_all(same::<_, FloatTensor<K>>(x)));
        Tensor::from_primitive(TensorPrimitive::Float(sum))
    }, otherwise along_one_axis(Tensor::<B, D>::from_primitive(TensorPrimitive::Float(x))))
}

/// The mean of all elements, differentiable: with the same bits every time, as [`sum`].
pub fn mean<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 1> {
    // Where nothing is added atomically Burn's own, whose gradient is rounded otherwise.
    with_kernels!(B, _K => {
        let elements = x.shape().num_elements() as f64;
        sum(x).div_scalar(elements)
    }, otherwise x.mean())
}

/// The mean of all elements' squares, differentiable: with the same bits every time, as [`sum`].
pub fn mean_square<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 1> {
    let x = x.into_primitive().tensor();
    let plain = |x| {
        let x = Tensor::<B, D>::from_primitive(TensorPrimitive::Float(x));
        mean(x.clone() * x)
    };
    with_kernels!(B, K => match K::takes(&same::<_, FloatTensor<K>>(x.clone())) {
        true => {
            let mean = K::mean_square(same::<_, FloatTensor<K>>(x));
            Tensor::from_primitive(TensorPrimitive::Float(same(mean)))
        }
        false => plain(x),
    }, otherwise plain(x))
}

/// The sum of all elements' squares: with the same bits every time, as [`sum`].
pub fn sum_of_squares<B: Backend>(x: Tensor<B, 1>) -> Tensor<B, 1> {
    let x = x.into_primitive().tensor();
    with_fused!(B, &x, K => {
        let sum = same(K::sum_squares(same::<_, FloatTensor<K>>(x)));
        Tensor::from_primitive(TensorPrimitive::Float(sum))
    }, otherwise {
        let x = Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(x));
        along_one_axis(x.clone() * x)
    })
}

/// [`sum_of_squares`] of each of these tensors, in their order, in one tensor or several: on a GPU by one
/// launch for several tensors, and one to be read.
pub fn sums_of_squares<B: Backend>(tensors: Vec<Tensor<B, 1>>) -> Vec<Tensor<B, 1>> {
    with_kernels!(inner B, K => {
        let primitive = |x: Tensor<B, 1>| same::<_, FloatTensor<K>>(x.into_primitive().tensor());
        let from = |x: FloatTensor<K>| Tensor::from_primitive(TensorPrimitive::Float(same(x)));
        let tensors: Vec<_> = tensors.into_iter().map(primitive).collect();
        match !tensors.is_empty() && tensors.iter().all(K::takes) {
            true => vec![from(K::sum_squares_each(tensors))],
            false => tensors.into_iter().map(from).map(sum_of_squares).collect(),
        }
    }, otherwise tensors.into_iter().map(sum_of_squares).collect())
}

/// Where no kernel takes a tensor's float type.
fn along_one_axis<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 1> {
    with_kernels!(B, _K => {
        let elements = x.shape().num_elements();
        x.reshape([1, elements]).sum_dim(1).reshape([1])
    }, otherwise x.sum())
}
