use burn::tensor::{backend::DeviceOps, ops::FloatTensor};
use burn_cubecl::{
    BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement, tensor::CubeTensor,
};
use cubecl::server::ComputeServer;
use dacapo_kernels::KernelError;
use dacapo_kernels::gather_rows::{Piece, gather_rows};

use super::GatherKernels;

impl<R, F, I, BT> GatherKernels for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    R::Server: ComputeServer,
    R::Device: DeviceOps,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn gather_rows(
        pieces: Vec<FloatTensor<Self>>,
        rows: &[(usize, usize)],
    ) -> Option<FloatTensor<Self>> {
        // To make one contiguous would copy all of it, for a few rows.
        if !pieces.iter().all(CubeTensor::is_contiguous) {
            return None;
        }
        let first = &pieces[0];
        let mut shape = first.meta.shape().clone();
        shape[0] = rows.len();
        let elements: usize = shape[1..].iter().product();
        let places: Vec<Piece<'_>> = pieces
            .iter()
            .map(|piece| Piece {
                handle: &piece.handle,
                rows: piece.meta.shape()[0],
            })
            .collect();
        let row_bytes = (elements * first.dtype.size()) as u64;
        let handle = match gather_rows(&first.client, row_bytes, &places, rows) {
            Ok(handle) => handle,
            Err(
                KernelError::PartialWord { .. }
                | KernelError::TooLong { .. }
                | KernelError::Misaligned { .. },
            ) => return None,
            Err(error) => panic!("{error}"),
        };
        let (client, device) = (first.client.clone(), first.device.clone());
        Some(CubeTensor::new_contiguous(
            client,
            device,
            shape,
            handle,
            first.dtype,
        ))
    }
}
