use burn::backend::Autodiff;
use burn_cuda::CudaDevice;
use cudarc::driver::{CudaContext, DriverError};
use cudarc::nvrtc::compile_ptx;
use dacapo_ops::{KernelPlan, PlannedMatmul, Precision};

use super::{Compute, DeviceFacts, cuda_versions};
use crate::CliError;

/// The CUDA backend that training runs on, without autotune and fusion: with autotune
/// every process may choose other kernels, and with them other bits.
pub type Cuda = Autodiff<burn_cuda::Cuda>;

/// The smallest program; what NVRTC makes of it names NVRTC's version.
pub(crate) const PROBE: &str = "extern \"C\" __global__ void probe() {}";

impl Compute for Cuda {
    fn facts(device: &CudaDevice, precision: Precision) -> DeviceFacts {
        DeviceFacts {
            device: format!(
                "{}, {}",
                model(device.index).unwrap_or_else(|error| format!("cuda ({error})")),
                compilers()
            ),
            precision: precision.to_string(),
            kernel_plan: format!("{}, no autotune, no fusion", KernelPlan::current().id()),
        }
    }

    fn check_precision(device: &CudaDevice, precision: Precision) -> Result<(), CliError> {
        match Self::supports(device, precision) {
            true => Ok(()),
            false => Err(CliError::input(
                format!("run.precision = {precision}: this GPU has no tensor cores for it"),
                "Set run.precision = \"f32\"",
            )),
        }
    }
}

/// The GPU's name and compute capability.
fn model(index: usize) -> Result<String, DriverError> {
    let context = CudaContext::new(index)?;
    let (major, minor) = context.compute_capability()?;
    Ok(format!("{} (sm_{major}{minor})", context.name()?))
}

/// What compiles kernels: NVRTC into PTX, the driver from there.
fn compilers() -> String {
    let driver = std::fs::read_to_string("/proc/driver/nvidia/version").unwrap_or_default();
    let probe = compile_ptx(PROBE).map(|ptx| ptx.to_src());
    let ptx = probe.unwrap_or_else(|error| format!("// ({error})"));
    format!(
        "driver {}, NVRTC {}",
        cuda_versions::driver(&driver).unwrap_or("of unknown version"),
        cuda_versions::nvrtc(&ptx).unwrap_or("of unknown version")
    )
}
