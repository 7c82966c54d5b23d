//! Products by dacapo's own kernel of f32.

use burn::tensor::DType;
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubek::matmul::definition::MatmulSetupError;
use dacapo_kernels::f32_product::{Operand, ProductShape, f32_product};

use super::launch::result_shape;
use super::operand::is_transposed;
use crate::ProductSizes;

/// The product of two [`readable`](super::operand::readable) operands, if the kernel takes them.
pub(super) fn by_multiply_add<R: CubeRuntime>(
    lhs: &CubeTensor<R>,
    rhs: &CubeTensor<R>,
    dtype: DType,
) -> Result<CubeTensor<R>, MatmulSetupError> {
    if [lhs.dtype, rhs.dtype, dtype] != [DType::F32; 3] {
        return Err(refused("not f32"));
    }
    let (shape, left, right) = operands(lhs, rhs)?;
    if !shape.is_taken(&left, &right) {
        return Err(refused("not whole vectors of four"));
    }
    let product = f32_product(&lhs.client, shape, &left, &right)
        .unwrap_or_else(|error| panic!("matmul: {error}"));
    let (client, device) = (lhs.client.clone(), lhs.device.clone());
    let out = result_shape(lhs.meta.shape(), rhs.meta.shape());
    Ok(CubeTensor::new_contiguous(
        client, device, out, product, dtype,
    ))
}

/// A kernel's refusal, which the plan goes on from.
pub(super) fn refused(why: &'static str) -> MatmulSetupError {
    MatmulSetupError::InvalidConfig(Box::new(why))
}

/// The sizes as dacapo's own kernels take them.
pub(super) fn product_shape(sizes: ProductSizes) -> ProductShape {
    let ProductSizes { batch, m, k, n } = sizes;
    ProductShape { batch, m, k, n }
}

/// Shape and operands as dacapo's own kernels read them.
pub(super) fn operands<R: CubeRuntime>(
    lhs: &CubeTensor<R>,
    rhs: &CubeTensor<R>,
) -> Result<(ProductShape, Operand, Operand), MatmulSetupError> {
    let shape = product_shape(ProductSizes::of(lhs.meta.shape(), rhs.meta.shape()));
    match (
        operand(lhs, shape.batch, false),
        operand(rhs, shape.batch, true),
    ) {
        (Some(left), Some(right)) => Ok((shape, left, right)),
        _ => Err(refused("more than one dimension of products")),
    }
}

/// `None` if the matrices are not at one distance from each other.
fn operand<R: CubeRuntime>(tensor: &CubeTensor<R>, batch: usize, right: bool) -> Option<Operand> {
    let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
    let rank = shape.num_dims();
    let mut batches = (0..rank - 2).filter(|i| shape[*i] > 1);
    let batch_stride = match (batches.next(), batches.next()) {
        (None, _) => 0,
        (Some(one), None) if shape[one] == batch => strides[one],
        _ => return None,
    };
    let transposed = is_transposed(tensor);
    Some(Operand {
        handle: tensor.handle.clone(),
        // k is the last dimension of the left operand, and the first of the right.
        k_last: transposed == right,
        stride: strides[if transposed { rank - 1 } else { rank - 2 }],
        batch_stride,
    })
}
