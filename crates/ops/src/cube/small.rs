//! Products by dacapo's own kernel for small results, on operands as they lie.

use burn::tensor::{DType, Shape};
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::{client::ComputeClient, cuda::CudaRuntime};
use cubek::matmul::definition::MatmulSetupError;
use dacapo_kernels::f32_product::Operand;
use dacapo_kernels::finish::Finish;
use dacapo_kernels::small_product::{RowsLie, SmallOperand, is_supported, is_taken, small_product};
use dacapo_kernels::tensor_core_product::{Numbers, Stored};

use super::finished::Finished;
use super::first_kernel::client_of;
use super::launch::result_shape;
use super::multiply_add::{product_shape, refused};
use super::operand::{readable, transposed};
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
    let client = client_of(lhs, is_supported)?;
    // Where the left operand's rows lie by place across k, the transposed product of the turned operands: so
    // the results lie as it does, and whoever turns them back finds them contiguous.
    let out = result_shape(lhs.meta.shape(), rhs.meta.shape());
    let left = batch_dims(&out).and_then(|dims| as_it_lies(lhs, &dims, false));
    let turned = matches!(finish, Finish::Plain)
        && left.is_some_and(|left| !left.operand.k_last && by_place(&left));
    let found = match turned {
        true => {
            let [left, right] = [rhs, lhs].map(|tensor| transposed(tensor.clone()));
            multiply(client, &left, &right, numbers, finish).map(|found| Finished {
                out: transposed(found.out),
                ..found
            })
        }
        false => multiply(client, lhs, rhs, numbers, finish),
    };
    found.ok_or(refused(
        "neither f32 nor bf16, too many dimensions, or not small",
    ))
}

/// The products of operands as they lie, or of copies where they lie otherwise than the kernel reads.
fn multiply<R: CubeRuntime>(
    client: &ComputeClient<CudaRuntime>,
    lhs: &CubeTensor<R>,
    rhs: &CubeTensor<R>,
    numbers: Numbers,
    finish: Finish<'_>,
) -> Option<Finished<R>> {
    let out = result_shape(lhs.meta.shape(), rhs.meta.shape());
    let dims = batch_dims(&out)?;
    let as_they_lie = |lhs: &CubeTensor<R>, rhs: &CubeTensor<R>| {
        Some([
            as_it_lies(lhs, &dims, false)?,
            as_it_lies(rhs, &dims, true)?,
        ])
    };
    let copied = || as_they_lie(&readable(lhs.clone()), &readable(rhs.clone()));
    let [left, right] = as_they_lie(lhs, rhs).or_else(copied)?;
    let shape = product_shape(ProductSizes::of(lhs.meta.shape(), rhs.meta.shape()));
    let per_group = dims.last().map_or(1, |dim| out[*dim]);
    let operands = [&left, &right];
    if !is_taken(shape, per_group, numbers, operands, finish) {
        return None;
    }
    // As the right operand's rows lie, or of one group as the left one's: whoever turns the result as
    // it was turned finds it contiguous. Scores, of several groups, are wanted by product.
    let turned =
        |source: &SmallOperand, k_last| source.operand.k_last == k_last && by_place(source);
    let by_place = dims.last() == Some(&(out.num_dims() - 3))
        && matches!(finish, Finish::Plain)
        && (turned(&right, false) || dims.len() == 1 && turned(&left, true));
    let rows = match by_place {
        true => RowsLie::ByPlace,
        false => RowsLie::ByProduct,
    };
    let found = small_product(client, shape, per_group, numbers, operands, rows, finish)
        .unwrap_or_else(|error| panic!("matmul: {error}"));
    let mut found = Finished::of(lhs, rhs, finish, found);
    if by_place {
        let rank = out.num_dims();
        let strides = found.out.meta.strides_mut();
        (strides[rank - 3], strides[rank - 2]) = (shape.n, per_group * shape.n);
    }
    Some(found)
}

/// Whether rows of one place in all products of a group lie beside each other.
fn by_place(source: &SmallOperand) -> bool {
    (1..source.operand.stride).contains(&source.operand.batch_stride)
}

/// The dimensions of several products, the outer first; `None` if there are more than two.
fn batch_dims(out: &Shape) -> Option<Vec<usize>> {
    let dims: Vec<usize> = (0..out.num_dims() - 2)
        .filter(|dim| out[*dim] > 1)
        .collect();
    (dims.len() <= 2).then_some(dims)
}

fn stored<R: CubeRuntime>(tensor: &CubeTensor<R>) -> Option<Stored> {
    match tensor.dtype {
        DType::F32 => Some(Stored::F32),
        DType::BF16 => Some(Stored::Bf16),
        _ => None,
    }
}

/// `None` where neither rows nor columns lie together, or it is no operand.
fn as_it_lies<R: CubeRuntime>(
    tensor: &CubeTensor<R>,
    dims: &[usize],
    right: bool,
) -> Option<SmallOperand> {
    let (shape, strides): (&Shape, _) = (tensor.meta.shape(), tensor.meta.strides());
    let rank = shape.num_dims();
    let together = |dim: usize| strides[dim] == 1 || shape[dim] == 1;
    let transposed = match (together(rank - 1), together(rank - 2)) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => return None,
    };
    // A dimension of one is repeated.
    let mut distances = dims.iter().rev().map(|dim| match shape[*dim] {
        1 => 0,
        _ => strides[*dim],
    });
    Some(SmallOperand {
        operand: Operand {
            handle: tensor.handle.clone(),
            // k is the last dimension of the left operand, and the first of the right.
            k_last: transposed == right,
            stride: strides[if transposed { rank - 1 } else { rank - 2 }],
            batch_stride: distances.next().unwrap_or(0),
        },
        stored: stored(tensor)?,
        group_stride: distances.next().unwrap_or(0),
    })
}
