use burn::backend::Autodiff;
use burn_cuda::CudaDevice;
use cudarc::driver::{CudaContext, DriverError};

use super::{Compute, DeviceFacts};

/// The CUDA backend that training runs on, without autotune and fusion: with autotune
/// every process may choose other kernels, and with them other bits.
pub type Cuda = Autodiff<burn_cuda::Cuda>;

impl Compute for Cuda {
    fn facts(device: &CudaDevice) -> DeviceFacts {
        DeviceFacts {
            device: model(device.index).unwrap_or_else(|error| format!("cuda ({error})")),
            // Burn's matrix products of f32 run on tensor cores where there are any.
            precision: "tf32".to_owned(),
            kernel_plan: "cubek default, no autotune, no fusion".to_owned(),
        }
    }
}

/// The GPU's name and compute capability.
fn model(index: usize) -> Result<String, DriverError> {
    let context = CudaContext::new(index)?;
    let (major, minor) = context.compute_capability()?;
    Ok(format!("{} (sm_{major}{minor})", context.name()?))
}
