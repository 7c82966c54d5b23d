//! Products on CUDA that do more with their sums than write them.

use std::any::Any;

use burn::tensor::DType;
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cuda::CudaRuntime;
use cubecl::prelude::*;
use cubecl::server::Handle;
use cubek::matmul::definition::MatmulSetupError;
use dacapo_kernels::f32_product::finished_f32_product;
use dacapo_kernels::finish::{self, Finish};

use super::first_kernel::first_kernel;
use super::launch::{parts_of, precision_of, problem_of, result_shape};
use super::multiply_add::{operands, refused};
use super::operand::readable;
use super::small::by_small;
use super::tensor_cores::by_tensor_cores;
use crate::{Kernel, KernelPlan, Precision, ProductSizes};

/// What a product gave, and the sums that an activation was computed of.
pub(crate) struct Finished<R: CubeRuntime> {
    pub out: CubeTensor<R>,
    pub sums: Option<CubeTensor<R>>,
}

impl<R: CubeRuntime> Finished<R> {
    /// `found` of the product of these operands.
    pub(super) fn of(
        lhs: &CubeTensor<R>,
        rhs: &CubeTensor<R>,
        finish: Finish<'_>,
        found: finish::Finished,
    ) -> Self {
        let tensor = |handle: Handle, dtype| {
            let (client, device) = (lhs.client.clone(), lhs.device.clone());
            let shape = result_shape(lhs.meta.shape(), rhs.meta.shape());
            CubeTensor::new_contiguous(client, device, shape, handle, dtype)
        };
        let dtype = match finish.is_rounded() {
            true => DType::BF16,
            false => DType::F32,
        };
        Self {
            out: tensor(found.out, dtype),
            sums: found.sums.map(|sums| tensor(sums, DType::F32)),
        }
    }
}

/// The client of a tensor on CUDA.
pub(crate) fn cuda_client<R: CubeRuntime>(
    tensor: &CubeTensor<R>,
) -> Option<&ComputeClient<CudaRuntime>> {
    let client: &dyn Any = &tensor.client;
    client.downcast_ref()
}

/// The product of two operands to f32, finished in the same launch; `None` where the plan splits it, or
/// its kernel is not one that can.
pub(crate) fn finished<R: CubeRuntime>(
    lhs: &CubeTensor<R>,
    rhs: &CubeTensor<R>,
    precision: Precision,
    finish: Finish<'_>,
) -> Option<Finished<R>> {
    let client = cuda_client(lhs)?;
    let shape = result_shape(lhs.meta.shape(), rhs.meta.shape());
    if shape.num_elements() == 0 || !finish.is_taken() {
        return None;
    }
    let precision = precision_of(lhs, precision);
    let sizes = ProductSizes::of(lhs.meta.shape(), rhs.meta.shape());
    if first_kernel(lhs, sizes, precision) == Some(Kernel::SmallProduct)
        && let Ok(found) = by_small(lhs, rhs, precision, finish)
    {
        return Some(found);
    }
    let (lhs, rhs) = (readable(lhs.clone()), readable(rhs.clone()));
    let problem = problem_of(&lhs, &rhs);
    if parts_of(&problem, &shape, DType::F32) > 1 {
        return None;
    }
    let found = match KernelPlan::current().kernels(precision, &problem).next()? {
        Kernel::F32Product => by_multiply_add(client, &lhs, &rhs, finish),
        Kernel::TensorCoreProduct => by_tensor_cores(&lhs, &rhs, DType::F32, finish),
        _ => return None,
    };
    found.ok()
}

fn by_multiply_add<R: CubeRuntime>(
    client: &ComputeClient<CudaRuntime>,
    lhs: &CubeTensor<R>,
    rhs: &CubeTensor<R>,
    finish: Finish<'_>,
) -> Result<Finished<R>, MatmulSetupError> {
    let (shape, left, right) = operands(lhs, rhs)?;
    if [lhs.dtype, rhs.dtype] != [DType::F32; 2]
        || finish.is_rounded()
        || !shape.is_taken(&left, &right)
    {
        return Err(refused("not whole vectors of four f32"));
    }
    let found = finished_f32_product(client, shape, &left, &right, finish)
        .unwrap_or_else(|error| panic!("matmul: {error}"));
    Ok(Finished::of(lhs, rhs, finish, found))
}
