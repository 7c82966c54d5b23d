//! Copies of CubeCL tensors to the host.

use std::{
    future::poll_fn,
    mem,
    task::{Context, Poll, Waker},
};

use burn::tensor::{TensorData, backend::ExecutionError};
use burn_cubecl::{CubeRuntime, kernel::into_contiguous_aligned, tensor::CubeTensor};
use cubecl::{
    future::{DynFut, block_on},
    server::CopyDescriptor,
};

/// Copies that are queued.
///
/// On CUDA nothing but this keeps the memory that they write to, so that it is not let go of before
/// they are done.
pub(super) struct Copies(Option<DynFut<Result<Vec<TensorData>, ExecutionError>>>);

/// Queues the copies of these tensors, at least one, all on one device.
pub(super) fn queue<R: CubeRuntime>(tensors: Vec<CubeTensor<R>>) -> Copies {
    let tensors = tensors.into_iter().map(into_contiguous_aligned);
    let tensors: Vec<CubeTensor<R>> = tensors.collect();
    let descriptor = |tensor: &CubeTensor<R>| {
        let (shape, strides) = (tensor.meta.shape().clone(), tensor.meta.strides().clone());
        let memory = tensor.handle.clone().binding();
        CopyDescriptor::new(memory, shape, strides, tensor.elem_size())
    };
    let descriptors = tensors.iter().map(descriptor).collect();
    let client = tensors[0].client.clone();
    let kinds = tensors
        .iter()
        .map(|tensor| (tensor.meta.shape().clone(), tensor.dtype));
    let kinds: Vec<_> = kinds.collect();
    let mut copies: DynFut<_> = Box::pin(async move {
        // Queues them. The future borrows the client, and CUDA's blocks in its first poll: so both are
        // kept here, and it is not polled before someone waits.
        let bytes = client.read_tensor_async(descriptors);
        someone_waits().await;
        let bytes = bytes.await.map_err(|error| ExecutionError::WithContext {
            reason: error.to_string(),
        })?;
        let data = bytes
            .into_iter()
            .zip(kinds)
            .map(|(bytes, (shape, dtype))| TensorData::from_bytes(bytes, shape, dtype));
        Ok(data.collect())
    });
    let first = copies
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    debug_assert!(first.is_pending(), "nobody waits yet");
    Copies(Some(copies))
}

/// Done when it is polled for the second time.
async fn someone_waits() {
    let mut queued = false;
    poll_fn(|_| match mem::replace(&mut queued, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

impl Copies {
    pub(super) fn wait(mut self) -> Result<Vec<TensorData>, ExecutionError> {
        block_on(self.0.take().expect("nobody has waited before"))
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        if let Some(copies) = self.0.take() {
            // Whoever wants to know of an error waits.
            let _ = block_on(copies);
        }
    }
}
