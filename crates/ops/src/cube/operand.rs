//! Bringing an operand into a form that the kernels read.

use burn::tensor::DType;
use burn_cubecl::{CubeRuntime, kernel, tensor::CubeTensor};
use cubecl::std::tensor::{MatrixBatchLayout, matrix_batch_layout};
use cubek::std::MatrixLayout;

/// Swaps the last two dimensions of the view.
pub(super) fn transposed<R: CubeRuntime>(mut tensor: CubeTensor<R>) -> CubeTensor<R> {
    let rank = tensor.meta.rank();
    tensor.meta.swap(rank - 1, rank - 2);
    tensor
}

/// Whether a column, not a row, lies together in memory.
pub(super) fn is_transposed<R: CubeRuntime>(tensor: &CubeTensor<R>) -> bool {
    let layout =
        MatrixLayout::from_shape_and_strides(tensor.meta.shape(), tensor.meta.strides(), None);
    matches!(layout, Ok(MatrixLayout::ColMajor))
}

/// The tensor as `dtype`, transposed in memory if it was.
///
/// Casting the transposed view itself would write it row by row, which reads across the memory
/// and takes the product another way than the same product in f32.
pub(super) fn cast<R: CubeRuntime>(tensor: CubeTensor<R>, dtype: DType) -> CubeTensor<R> {
    match is_transposed(&tensor) {
        true => transposed(kernel::cast(transposed(tensor), dtype)),
        false => kernel::cast(tensor, dtype),
    }
}

/// The tensor itself if kernels can read it: rows or columns together in memory, and all
/// matrices in order. A copy otherwise.
pub(super) fn readable<R: CubeRuntime>(tensor: CubeTensor<R>) -> CubeTensor<R> {
    let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
    let matrix = MatrixLayout::from_shape_and_strides(shape, strides, None);
    let batches = matrix_batch_layout(strides, None);
    match matrix.is_ok() && batches != MatrixBatchLayout::HighlyPermuted {
        true => tensor,
        false => kernel::into_contiguous(tensor),
    }
}

/// Whether the tensor memory accelerator can read a tensor that is [`readable`].
pub(super) fn is_aligned<R: CubeRuntime>(tensor: &CubeTensor<R>) -> bool {
    const BYTES: usize = 16;
    let size = tensor.dtype.size();
    let start = tensor.handle.offset_start.unwrap_or(0) as usize;
    let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
    // The stride of one element is that within a row, or that of a dimension of one.
    let mut far = shape
        .iter()
        .zip(strides.iter())
        .filter(|(size, stride)| **size > 1 && **stride != 1);
    start.is_multiple_of(BYTES) && far.all(|(_, stride)| (stride * size).is_multiple_of(BYTES))
}
