//! Products by dacapo's own kernel for Hopper's tensor cores.

use burn::tensor::DType;
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubek::matmul::definition::MatmulSetupError;
use dacapo_kernels::finish::Finish;
use dacapo_kernels::tensor_core_product::{
    Numbers, Stored, is_supported, is_taken, tensor_core_product,
};

use super::finished::Finished;
use super::first_kernel::client_of;
use super::multiply_add::{operands, refused};

/// The product of two [`readable`](super::operand::readable) operands, if the GPU has the
/// instructions and the kernel takes them.
pub(super) fn by_tensor_cores<R: CubeRuntime>(
    lhs: &CubeTensor<R>,
    rhs: &CubeTensor<R>,
    dtype: DType,
    finish: Finish<'_>,
) -> Result<Finished<R>, MatmulSetupError> {
    let (numbers, stored) = match [lhs.dtype, rhs.dtype, dtype] {
        [DType::F32, DType::F32, DType::F32] => (Numbers::Tf32, Stored::F32),
        [DType::BF16, DType::F32, DType::F32] => (Numbers::Bf16, Stored::F32),
        [DType::BF16, DType::BF16, DType::F32] => (Numbers::Bf16, Stored::Bf16),
        _ => return Err(refused("neither f32 nor bf16 to f32")),
    };
    let client = client_of(lhs, is_supported)?;
    let (shape, left, right) = operands(lhs, rhs)?;
    let right = (&right, stored);
    if !is_taken(shape, numbers, &left, right) {
        return Err(refused("not whole vectors along k"));
    }
    let found = tensor_core_product(client, shape, numbers, &left, right, finish)
        .unwrap_or_else(|error| panic!("matmul: {error}"));
    Ok(Finished::of(lhs, rhs, finish, found))
}
