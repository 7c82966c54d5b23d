use burn::tensor::{DType, backend::DeviceOps, ops::FloatTensor};
use burn_cubecl::{
    BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement, kernel::into_contiguous,
    tensor::CubeTensor,
};
use cubecl::server::ComputeServer;
use dacapo_kernels::dropout_mask::{MaskDtype, dropout_apply};

use super::{DropoutKernels, DropoutMask};

impl<R, F, I, BT> DropoutKernels for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    R::Server: ComputeServer,
    R::Device: DeviceOps,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn takes(x: &FloatTensor<Self>) -> bool {
        x.dtype == DType::F32
    }

    fn dropout(x: FloatTensor<Self>, mask: &DropoutMask) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        let len = x.meta.num_elements() as u64;
        let y = dropout_apply(&x.client, &mask.params(), &x.handle, len, MaskDtype::F32)
            .unwrap_or_else(|error| panic!("dropout: {error}"));
        CubeTensor::new_contiguous(x.client, x.device, x.meta.shape().clone(), y, DType::F32)
    }
}
