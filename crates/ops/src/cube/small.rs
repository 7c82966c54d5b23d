//! Products by dacapo's own kernel for small results, on operands as they lie.

use burn::tensor::{DType, Shape};
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::zspace::{metadata::Metadata, strides};
use cubek::matmul::definition::MatmulSetupError;
use dacapo_kernels::f32_product::{Operand, ProductShape};
use dacapo_kernels::finish::Finish;
use dacapo_kernels::small_product::{RowsLie, is_supported, is_taken, small_product};
use dacapo_kernels::tensor_core_product::{Numbers, Stored};

use super::finished::{Finished, cuda_client};
use super::first_kernel::device_index;
use super::launch::result_shape;
use super::multiply_add::refused;
use super::operand::readable;
use crate::{Precision, ProductSizes};

/// The product of two operands to f32, whether they are rounded or not, if the GPU has the instructions
/// and the kernel takes them.
pub(super) fn by_small<R: CubeRuntime>(
    lhs: &CubeTensor<R>,
    rhs: &CubeTensor<R>,
    precision: Precision,
    finish: Finish<'_>,
) -> Result<Finished<R>, MatmulSetupError> {
    let numbers = match precision {
        Precision::F32 => return Err(refused("f32")),
        Precision::Tf32 => Numbers::Tf32,
        Precision::Bf16 => Numbers::Bf16,
    };
    let (Some(client), true) = (
        cuda_client(lhs),
        device_index(lhs).is_some_and(is_supported),
    ) else {
        return Err(refused("not on a GPU with these instructions"));
    };
    let (Some(lhs_stored), Some(rhs_stored)) = (stored(lhs), stored(rhs)) else {
        return Err(refused("neither f32 nor bf16"));
    };
    let sizes = ProductSizes::of(lhs.meta.shape(), rhs.meta.shape());
    let ProductSizes { batch, m, k, n } = sizes;
    let shape = ProductShape { batch, m, k, n };
    let as_they_lie = |lhs: &CubeTensor<R>, rhs: &CubeTensor<R>| {
        Some([
            as_it_lies(lhs, batch, false)?,
            as_it_lies(rhs, batch, true)?,
        ])
    };
    let copied = || as_they_lie(&readable(lhs.clone()), &readable(rhs.clone()));
    let Some([left, right]) = as_they_lie(lhs, rhs).or_else(copied) else {
        return Err(refused("more than one dimension of products"));
    };
    let operands = [(&left, lhs_stored), (&right, rhs_stored)];
    if !is_taken(shape, numbers, operands) {
        return Err(refused("not a small product of an even n"));
    }
    let out = result_shape(lhs.meta.shape(), rhs.meta.shape());
    // Where the left operand's rows lie by place, whoever turns the result as it was turned finds it
    // contiguous.
    let by_place = out.num_dims() == 3
        && batch > 1
        && matches!(finish, Finish::Plain)
        && left.k_last
        && (1..left.stride).contains(&left.batch_stride);
    let rows = match by_place {
        true => RowsLie::ByPlace,
        false => RowsLie::ByProduct,
    };
    let found = small_product(client, shape, numbers, operands, rows, finish)
        .unwrap_or_else(|error| panic!("matmul: {error}"));
    let mut found = Finished::of(lhs, rhs, finish, found);
    if by_place {
        *found.out.meta = Metadata::new(out, strides![n, batch * n, 1]);
    }
    Ok(found)
}

fn stored<R: CubeRuntime>(tensor: &CubeTensor<R>) -> Option<Stored> {
    match tensor.dtype {
        DType::F32 => Some(Stored::F32),
        DType::BF16 => Some(Stored::Bf16),
        _ => None,
    }
}

/// `None` where neither rows nor columns lie together, or the matrices not at one distance from each other.
fn as_it_lies<R: CubeRuntime>(
    tensor: &CubeTensor<R>,
    batch: usize,
    right: bool,
) -> Option<Operand> {
    let (shape, strides): (&Shape, _) = (tensor.meta.shape(), tensor.meta.strides());
    let rank = shape.num_dims();
    let mut batches = (0..rank - 2).filter(|i| shape[*i] > 1);
    let batch_stride = match (batches.next(), batches.next()) {
        (None, _) => 0,
        (Some(one), None) if shape[one] == batch => strides[one],
        _ => return None,
    };
    let together = |dim: usize| strides[dim] == 1 || shape[dim] == 1;
    let transposed = match (together(rank - 1), together(rank - 2)) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => return None,
    };
    Some(Operand {
        handle: tensor.handle.clone(),
        // k is the last dimension of the left operand, and the first of the right.
        k_last: transposed == right,
        stride: strides[if transposed { rank - 1 } else { rank - 2 }],
        batch_stride,
    })
}
