use crate::EpochReport;

/// What one optimizer step did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Optimizer steps done, this one included.
    pub step: u64,
    /// The step's epoch, from 1.
    pub epoch: u64,
    /// Training examples of the epoch that are done.
    pub position: usize,
    /// Mean loss over the step's examples.
    pub loss: f64,
    /// Norm of all gradients together, before clipping.
    pub grad_norm: f64,
    /// The factor on every learning rate.
    pub lr_factor: f64,
    /// What the epoch ended with, if this step was its last.
    pub epoch_end: Option<EpochReport>,
}
