use burn::tensor::{Tensor, backend::Backend};
use dacapo_ops::{QueuedRead, queue_read};

use crate::{
    OptimError, StepReport,
    clip::{non_finite, round, waited},
};

/// A step's report, whose figures the device may still have to compute.
///
/// The step is not done before [`wait`](Self::wait) has found its gradients finite.
#[must_use = "gradients that are not finite are found by waiting"]
pub struct PendingReport<B: Backend>(Report<B>);

enum Report<B: Backend> {
    Known(StepReport),
    Deferred {
        /// Of the gradients, in their order.
        paths: Vec<String>,
        /// Of each gradient, in one tensor or several, the sum of its squares.
        squares: QueuedRead<B>,
        /// Whether all gradients are f32.
        single: bool,
        clipped: bool,
    },
}

impl<B: Backend> PendingReport<B> {
    pub(crate) fn known(report: StepReport) -> Self {
        Self(Report::Known(report))
    }

    /// Queues the read of the figures.
    pub(crate) fn deferred(
        paths: Vec<String>,
        squares: Vec<Tensor<B, 1>>,
        single: bool,
        clipped: bool,
    ) -> Self {
        Self(Report::Deferred {
            paths,
            squares: queue_read(squares),
            single,
            clipped,
        })
    }

    /// The report.
    ///
    /// # Errors
    /// [`OptimError::NonFiniteGradient`]: neither the new parameters nor the new state may be used
    /// then. [`OptimError::Device`].
    pub fn wait(self) -> Result<StepReport, OptimError> {
        let (paths, squares, single, clipped) = match self.0 {
            Report::Known(report) => return Ok(report),
            Report::Deferred {
                paths,
                squares,
                single,
                clipped,
            } => (paths, squares, single, clipped),
        };
        let mut total = 0.0;
        for (path, square) in paths.iter().zip(waited(squares)?) {
            let norm = round(libm::sqrt(square), single);
            total = round(total + round(norm * norm, single), single);
            // Also a sum that overflows is blamed on the gradient that did it.
            if !total.is_finite() {
                return Err(non_finite(path, square.max(total)));
            }
        }
        let grad_norm = round(libm::sqrt(total), single);
        Ok(StepReport { grad_norm, clipped })
    }
}
