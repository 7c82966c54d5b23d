//! The backends that the built-in job computes on.

#[cfg(feature = "cuda")]
mod cuda;

mod cpu;
#[cfg(any(test, feature = "cuda"))]
mod cuda_versions;
mod device_facts;
mod device_name;

use burn::tensor::backend::AutodiffBackend;
use dacapo_ops::Precision;

pub use cpu::Cpu;
#[cfg(feature = "cuda")]
pub use cuda::Cuda;
#[cfg(feature = "cuda")]
pub(crate) use cuda::PROBE;
pub use device_facts::DeviceFacts;
pub use device_name::DeviceName;

use crate::CliError;

/// A backend that the built-in job can compute on.
pub trait Compute: AutodiffBackend {
    /// What this device adds to the identity of a run that multiplies in `precision`.
    fn facts(device: &Self::Device, precision: Precision) -> DeviceFacts;

    /// Refuses a precision that this device does not have.
    ///
    /// # Errors
    /// Says which setting to change.
    fn check_precision(device: &Self::Device, precision: Precision) -> Result<(), CliError>;
}
