//! The backends that the built-in job computes on.

#[cfg(feature = "cuda")]
mod cuda;

mod cpu;
mod device_facts;
mod device_name;

use burn::tensor::backend::AutodiffBackend;

pub use cpu::Cpu;
#[cfg(feature = "cuda")]
pub use cuda::Cuda;
pub use device_facts::DeviceFacts;
pub use device_name::DeviceName;

/// A backend that the built-in job can compute on.
pub trait Compute: AutodiffBackend {
    /// What this device adds to a run's identity.
    fn facts(device: &Self::Device) -> DeviceFacts;
}
