//! Which of dacapo's own kernels for CUDA a product comes to, before its operands are made.

use std::any::Any;

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cuda::CudaDevice;
use dacapo_kernels::f32_product::ProductShape;
use dacapo_kernels::{small_product, tensor_core_product};

use crate::{Kernel, KernelPlan, Layout, MatmulShape, Precision, ProductSizes};

/// The first kernel of the plan for products of these sizes of tensors like this one, if it is one that
/// rounds what it reads and the GPU has its instructions. Of large products this is right where k lies
/// together in the left operand.
pub(super) fn first_kernel<R: CubeRuntime>(
    tensor: &CubeTensor<R>,
    sizes: ProductSizes,
    precision: Precision,
) -> Option<Kernel> {
    let ProductSizes { batch, m, k, n } = sizes;
    let shape = MatmulShape {
        batch,
        m,
        k,
        n,
        layout: Layout::Nn,
        aligned: true,
    };
    let kernel = KernelPlan::current().kernels(precision, &shape).next()?;
    let index = device_index(tensor)?;
    let runs = match kernel {
        Kernel::SmallProduct => {
            small_product::is_small(ProductShape { batch, m, k, n })
                && small_product::is_supported(index)
        }
        Kernel::TensorCoreProduct => tensor_core_product::is_supported(index),
        _ => false,
    };
    runs.then_some(kernel)
}

/// The number of the tensor's GPU, on CUDA.
pub(super) fn device_index<R: CubeRuntime>(tensor: &CubeTensor<R>) -> Option<usize> {
    let device: &dyn Any = &tensor.device;
    device
        .downcast_ref::<CudaDevice>()
        .map(|device| device.index)
}
