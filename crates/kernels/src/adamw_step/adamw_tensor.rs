use cubecl::server::Handle;

use super::{AdamWDtype, AdamWScalars};

/// One tensor's part in a step: flat, contiguous buffers of `len` elements of
/// `dtype`, and the scalars of its step.
///
/// No two buffers may overlap in a [`StepMode::InPlace`](super::StepMode) step,
/// inside a tensor or between tensors.
#[derive(Debug, Clone)]
pub struct AdamWTensor {
    /// The parameter.
    pub param: Handle,
    /// Its gradient; only read.
    pub grad: Handle,
    /// First moment.
    pub exp_avg: Handle,
    /// Second moment.
    pub exp_avg_sq: Handle,
    /// Largest second moment so far; there exactly with amsgrad.
    pub max_exp_avg_sq: Option<Handle>,
    /// Elements of each.
    pub len: u64,
    /// Type of each.
    pub dtype: AdamWDtype,
    /// Hyper-parameters and step count, as the arithmetic uses them.
    pub scalars: AdamWScalars,
}
