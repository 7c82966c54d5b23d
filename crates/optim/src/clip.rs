//! Gradient clipping, and the refusal of gradients that are not finite.

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor, backend::Backend};
use dacapo_ops::{QueuedRead, queue_read, sum, sum_of_squares, sums_of_squares};

use crate::{OptimError, PendingReport};

/// Clips by value, then by the norm of all gradients together.
///
/// The norm is `torch.nn.utils.clip_grad_norm_`'s: the L2 norm of the L2 norms
/// of the single gradients, and the coefficient `max_norm / (norm + 1e-6)`,
/// clamped to 1. The squares are summed on the device in the gradient's dtype;
/// the rest is done here in path order, rounded where PyTorch rounds: to f32
/// after every operation if all gradients are f32.
///
/// Without `clip_norm` the norm is not waited for: the report does that.
///
/// # Errors
/// [`OptimError::NonFiniteGradient`], also for an infinite element that
/// `clip_value` would have hidden; [`OptimError::Device`].
#[allow(clippy::type_complexity)]
pub(crate) fn clip<B: Backend>(
    clip_value: Option<f64>,
    clip_norm: Option<f64>,
    mut grads: BTreeMap<String, Tensor<B, 1>>,
) -> Result<(BTreeMap<String, Tensor<B, 1>>, PendingReport<B>), OptimError> {
    let mut clipped = false;
    if let Some(limit) = clip_value {
        // Before the clamp, which turns an infinity into `limit`, and on some
        // devices a NaN too. Zero times anything that is not finite is NaN.
        let zeros = read(
            grads
                .values()
                .map(|g| sum(g.clone().mul_scalar(0.0)))
                .collect(),
        )?;
        for ((path, grad), zero) in grads.iter().zip(zeros) {
            if zero != 0.0 {
                let square = read(vec![sum_of_squares(grad.clone())])?;
                return Err(non_finite(path, square[0]));
            }
        }
        let largest = read(grads.values().map(|g| g.clone().abs().max()).collect())?;
        clipped = largest.iter().any(|&largest| largest > limit);
        for grad in grads.values_mut() {
            *grad = grad.clone().clamp(-limit, limit);
        }
    }

    let single = grads.values().all(|grad| grad.dtype() == DType::F32);
    let paths = grads.keys().cloned().collect();
    let squares = sums_of_squares(grads.values().cloned().collect());
    let pending = PendingReport::deferred(paths, squares, single, clipped);
    let Some(limit) = clip_norm else {
        return Ok((grads, pending));
    };
    let mut report = pending.wait()?;
    // PyTorch divides a number by a tensor as `reciprocal() * number`.
    let denominator = round(report.grad_norm + round(1e-6, single), single);
    let coefficient = round(
        round(1.0 / denominator, single) * round(limit, single),
        single,
    );
    if coefficient < 1.0 {
        report.clipped = true;
        for grad in grads.values_mut() {
            *grad = grad.clone().mul_scalar(coefficient);
        }
    }
    Ok((grads, PendingReport::known(report)))
}

/// One operation on f32 values done in f64 and rounded is that operation in f32.
pub(crate) fn round(value: f64, single: bool) -> f64 {
    if single {
        f64::from(value as f32)
    } else {
        value
    }
}

pub(crate) fn non_finite(path: &str, square: f64) -> OptimError {
    OptimError::NonFiniteGradient {
        path: path.to_string(),
        norm: libm::sqrt(square),
    }
}

/// Reads one-element tensors in one transfer.
fn read<B: Backend>(tensors: Vec<Tensor<B, 1>>) -> Result<Vec<f64>, OptimError> {
    waited(queue_read(tensors))
}

/// What a read of one-element tensors gives.
pub(crate) fn waited<B: Backend>(read: QueuedRead<B>) -> Result<Vec<f64>, OptimError> {
    let data = read.wait().map_err(|error| OptimError::Device {
        operation: "reading gradient norms",
        message: error.to_string(),
    })?;
    Ok(data.iter().flat_map(|data| data.iter::<f64>()).collect())
}
