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

/// Where no kernel takes a tensor's float type.
fn along_one_axis<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 1> {
    with_kernels!(B, _K => {
        let elements = x.shape().num_elements();
        x.reshape([1, elements]).sum_dim(1).reshape([1])
    }, otherwise x.sum())
}
