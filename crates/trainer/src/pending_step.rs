use burn::tensor::backend::Backend;
use dacapo_optim::{OptimError, PendingReport};

use crate::losses::PendingLosses;

/// An optimizer step that is queued; what it gives the host, the device may still have to compute.
#[must_use = "a step that is not finished leaves a trainer that cannot be used"]
pub(crate) struct PendingStep<B: Backend> {
    pub(crate) step: u64,
    /// From 1.
    pub(crate) epoch: u64,
    /// Training examples of the epoch that are done, its own included.
    pub(crate) position: usize,
    /// Its own.
    pub(crate) examples: usize,
    pub(crate) lr_factor: f64,
    pub(crate) losses: PendingLosses<B>,
    pub(crate) report: Result<PendingReport<B>, OptimError>,
}
