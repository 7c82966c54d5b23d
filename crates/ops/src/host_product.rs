//! Burn-Flex's products of f32, to the bit, without the zeros that it fills a result with, and
//! copies, before it computes.

use burn::tensor::{DType, Shape};
use burn_flex::FlexTensor;
use dacapo_kernels::host::{Matrices, products};

use crate::host::{strides, tensor};

/// The product `[.., m, n]` of `[.., m, k]` and `[.., k, n]`, or `None` for other types than f32 and
/// for views that run backwards.
pub(crate) fn host_product(lhs: &FlexTensor, rhs: &FlexTensor) -> Option<FlexTensor> {
    let (left, right) = (lhs.layout().shape(), rhs.layout().shape());
    let rank = left.num_dims();
    if rank < 2 || right.num_dims() != rank || left[rank - 1] != right[rank - 2] {
        return None;
    }
    let mut shape = Vec::with_capacity(rank);
    for i in 0..rank - 2 {
        shape.push(match (left[i], right[i]) {
            (left, right) if left == right => left,
            (1, size) | (size, 1) => size,
            _ => return None,
        });
    }
    let lhs_matrices = matrices(lhs, &shape)?;
    let rhs_matrices = matrices(rhs, &shape)?;
    let [m, k, n] = [left[rank - 2], left[rank - 1], right[rank - 1]];
    shape.extend([m, n]);
    let product = products(&lhs_matrices, &rhs_matrices, [m, k, n]);
    Some(tensor(product, Shape::from(shape)))
}

/// The matrices of `tensor`, repeated where `batch` has more of them.
fn matrices<'a>(tensor: &'a FlexTensor, batch: &[usize]) -> Option<Matrices<'a>> {
    if tensor.dtype() != DType::F32 {
        return None;
    }
    let layout = tensor.layout();
    let strides = strides(tensor)?;
    let mut starts = vec![layout.start_offset()];
    for (i, count) in batch.iter().enumerate() {
        let stride = if layout.shape()[i] == 1 {
            0
        } else {
            strides[i]
        };
        let places = starts.iter();
        starts = places
            .flat_map(|start| (0..*count).map(move |at| start + at * stride))
            .collect();
    }
    Some(Matrices {
        values: tensor.storage::<f32>(),
        starts,
        strides: [strides[batch.len()], strides[batch.len() + 1]],
    })
}
