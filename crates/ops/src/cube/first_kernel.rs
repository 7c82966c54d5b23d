//! Which of dacapo's own kernels for CUDA a product comes to, before its operands are made.

use std::any::Any;

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::client::ComputeClient;
use cubecl::cuda::{CudaDevice, CudaRuntime};
use cubek::matmul::definition::MatmulSetupError;
use dacapo_kernels::{small_product, tensor_core_product};

use super::finished::cuda_client;
use super::multiply_add::{product_shape, refused};
use crate::{Kernel, KernelPlan, Layout, MatmulShape, Precision, ProductSizes};

/// The first kernel of the plan for products of these sizes of tensors like this one, if it is one that
/// rounds what it reads and the GPU has its instructions. Of large products this is right where k lies
/// together in the left operand.
pub(super) fn first_kernel<R: CubeRuntime>(
    tensor: &CubeTensor<R>,
    sizes: ProductSizes,
    precision: Precision,
) -> Option<Kernel> {
    let shape = MatmulShape::of(sizes, Layout::Nn, true);
    let kernel = KernelPlan::current().kernels(precision, &shape).next()?;
    let index = device_index(tensor)?;
    let runs = match kernel {
        Kernel::SmallProduct => {
            small_product::is_small(product_shape(sizes)) && small_product::is_supported(index)
        }
        Kernel::TensorCoreProduct => tensor_core_product::is_supported(index),
        _ => false,
    };
    runs.then_some(kernel)
}

/// The client of a tensor on a GPU of CUDA that `is_supported` by its number.
pub(super) fn client_of<R: CubeRuntime>(
    tensor: &CubeTensor<R>,
    is_supported: impl FnOnce(usize) -> bool,
) -> Result<&ComputeClient<CudaRuntime>, MatmulSetupError> {
    match cuda_client(tensor) {
        Some(client) if device_index(tensor).is_some_and(is_supported) => Ok(client),
        _ => Err(refused("not on a GPU with these instructions")),
    }
}

/// The number of the tensor's GPU, on CUDA.
fn device_index<R: CubeRuntime>(tensor: &CubeTensor<R>) -> Option<usize> {
    let device: &dyn Any = &tensor.device;
    device
        .downcast_ref::<CudaDevice>()
        .map(|device| device.index)
}
