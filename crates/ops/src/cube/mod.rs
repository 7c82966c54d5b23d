//! Planned products on CubeCL backends.

#[cfg(feature = "cuda")]
mod finished;
#[cfg(feature = "cuda")]
mod first_kernel;
mod launch;
mod multiply_add;
mod operand;
#[cfg(feature = "cuda")]
mod small;
mod strategy;
#[cfg(feature = "cuda")]
mod tensor_cores;
#[cfg(test)]
mod tests;
mod tiled;

use burn::tensor::{DType, FloatDType, backend::DeviceOps, ops::FloatTensor};
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::CubePrimitive;
use cubecl::server::ComputeServer;

#[cfg(feature = "cuda")]
pub(crate) use finished::{cuda_client, finished};

#[cfg(feature = "cuda")]
use crate::{Kernel, ProductSizes};
use crate::{PlannedMatmul, Precision};

impl<R, F, I, BT> PlannedMatmul for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    R::Server: ComputeServer,
    R::Device: DeviceOps,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn supports(device: &Self::Device, precision: Precision) -> bool {
        let wanted = match precision {
            Precision::F32 => return true,
            Precision::Tf32 => cubecl::tf32::as_type_native_unchecked().storage_type(),
            Precision::Bf16 => half::bf16::as_type_native_unchecked().storage_type(),
        };
        let client = R::client(device);
        let tensor_cores = &client.properties().features.matmul.cmma;
        tensor_cores.iter().any(|config| config.a_type == wanted)
    }

    fn operand(tensor: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self> {
        match (precision, tensor.dtype) {
            // The kernels of the plan round to TF32 as they load.
            (Precision::Bf16, DType::F32) => operand::cast(tensor, DType::BF16),
            _ => tensor,
        }
    }

    #[cfg(feature = "cuda")]
    fn rounds_as_it_reads(
        tensor: &FloatTensor<Self>,
        right: bool,
        sizes: ProductSizes,
        precision: Precision,
    ) -> bool {
        precision == Precision::Bf16
            && tensor.dtype == DType::F32
            && match first_kernel::first_kernel(tensor, sizes, precision) {
                Some(Kernel::SmallProduct) => true,
                Some(Kernel::TensorCoreProduct) => right,
                _ => false,
            }
    }

    fn product(
        lhs: FloatTensor<Self>,
        rhs: FloatTensor<Self>,
        precision: Precision,
        out: FloatDType,
    ) -> FloatTensor<Self> {
        launch::product(lhs, rhs, precision, out.into())
    }
}
