//! Dropout by the kernel of whichever backend the tensor belongs to.

use burn::tensor::{Tensor, TensorPrimitive, backend::Backend, ops::FloatTensor};

use super::{DropoutKernels, DropoutMask};
use crate::dispatch::{same, with_kernels};

pub(super) fn dropped<B: Backend, const D: usize>(
    x: &Tensor<B, D>,
    mask: &DropoutMask,
) -> Option<Tensor<B, D>> {
    let tensor = x.clone().into_primitive().tensor();
    let found = with_kernels!(B, K => dropped_by::<B, K>(tensor, mask), otherwise None);
    found.map(|tensor| Tensor::from_primitive(TensorPrimitive::Float(tensor)))
}

fn dropped_by<B: Backend, K: DropoutKernels>(
    x: FloatTensor<B>,
    mask: &DropoutMask,
) -> Option<FloatTensor<B>> {
    let x: FloatTensor<K> = same(x);
    K::takes(&x).then(|| same(K::dropout(x, mask)))
}
