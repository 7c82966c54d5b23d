//! Reads that are queued now and waited for later.

#[cfg(feature = "cube")]
mod copies;

#[cfg(feature = "cube")]
use burn::tensor::ops::FloatTensor;
use burn::tensor::{
    Tensor, TensorData, Transaction,
    backend::{Backend, ExecutionError},
};

#[cfg(feature = "cube")]
use crate::dispatch::same;
use crate::dispatch::with_kernels;
#[cfg(feature = "cube")]
use copies::Copies;

/// Tensors on their way to the host: [`queue_read`] has queued the copies, [`wait`](Self::wait) gives
/// the data. Dropped, it waits, too.
#[must_use = "the data comes by waiting"]
pub struct QueuedRead<B: Backend>(Read<B>);

enum Read<B: Backend> {
    #[cfg(feature = "cube")]
    Queued(Copies),
    /// Read when it is waited for.
    Kept(Vec<Tensor<B, 1>>),
}

/// Queues the copies of these tensors, which are on one device, to the host, all in one transfer.
///
/// On a GPU a copy has its place behind what is queued at the time, so that whoever waits for it does
/// not wait for what is queued afterwards, and can queue more before waiting. Burn's own reads
/// (`into_data_async`, `Transaction`) are queued only when they are first polled, which also waits for
/// them.
///
/// Backends without a queue that this crate knows, among them `Flex` and all autodiff backends, read
/// when waited for.
pub fn queue_read<B: Backend>(tensors: Vec<Tensor<B, 1>>) -> QueuedRead<B> {
    if tensors.is_empty() {
        return QueuedRead(Read::Kept(tensors));
    }
    QueuedRead(with_kernels!(inner B, K => {
        let tensors = tensors.into_iter().map(|tensor| {
            same::<_, FloatTensor<K>>(tensor.into_primitive().tensor())
        });
        Read::Queued(copies::queue(tensors.collect()))
    }, otherwise Read::Kept(tensors)))
}

impl<B: Backend> QueuedRead<B> {
    /// Waits for the data, in the order of the tensors.
    ///
    /// # Errors
    /// A device that has failed, in these copies or before them.
    pub fn wait(self) -> Result<Vec<TensorData>, ExecutionError> {
        match self.0 {
            #[cfg(feature = "cube")]
            Read::Queued(copies) => copies.wait(),
            // Burn's transaction on a GPU panics without a tensor.
            Read::Kept(tensors) if tensors.is_empty() => Ok(Vec::new()),
            Read::Kept(tensors) => tensors
                .into_iter()
                .fold(Transaction::default(), Transaction::register)
                .try_execute(),
        }
    }
}
