//! The mean losses of a step's forward passes, each with the number of its examples, in the order of the
//! shards.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use dacapo_ops::{QueuedRead, queue_read};
use dacapo_optim::OptimError;

use crate::TrainerError;

pub(crate) enum Losses<B: Backend> {
    /// Of one rank; nobody has asked for them yet.
    OnDevice(Vec<(Tensor<B, 1>, usize)>),
    /// Of several ranks, which have handed them on.
    Read(Vec<(f64, usize)>),
}

/// Losses that may be on their way to the host.
pub(crate) enum PendingLosses<B: Backend> {
    Queued(QueuedRead<B>, Vec<usize>),
    Read(Vec<(f64, usize)>),
}

impl<B: Backend> Losses<B> {
    /// Queues their read behind whatever is queued.
    pub(crate) fn queue_read(self) -> PendingLosses<B> {
        match self {
            Self::OnDevice(losses) => {
                let (losses, examples) = losses.into_iter().unzip();
                PendingLosses::Queued(queue_read(losses), examples)
            }
            Self::Read(losses) => PendingLosses::Read(losses),
        }
    }
}

impl<B: Backend> PendingLosses<B> {
    /// Their mean over all `examples` of `step`.
    ///
    /// # Errors
    /// One that is not finite; a device that fails.
    pub(crate) fn wait(self, step: u64, examples: usize) -> Result<f64, TrainerError> {
        let losses = match self {
            Self::Queued(read, examples) => {
                let losses = read.wait().map_err(|error| OptimError::Device {
                    operation: "reading the losses",
                    message: error.to_string(),
                })?;
                losses.iter().map(first).zip(examples).collect()
            }
            Self::Read(losses) => losses,
        };
        let mut sum = 0.0;
        for (value, examples) in losses {
            if !value.is_finite() {
                return Err(TrainerError::NotFinite {
                    step,
                    what: "train_loss".to_owned(),
                    value,
                });
            }
            sum += value * examples as f64;
        }
        Ok(sum / examples as f64)
    }
}

pub(crate) fn first(loss: &TensorData) -> f64 {
    loss.iter::<f64>().next().unwrap_or(f64::NAN)
}
