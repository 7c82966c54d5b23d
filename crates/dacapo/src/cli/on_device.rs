//! Doing something on whichever device was asked for.

use crate::{
    CliError,
    compute::{Compute, Cpu, DeviceName},
};

/// Something that can be done on any device.
pub(crate) trait OnDevice {
    /// Does it, and gives the program's exit code.
    fn run<B: Compute>(self, device: &B::Device) -> Result<i32, CliError>;
}

/// Does `work` on `device`; compiled kernels are kept in the user's cache folder if
/// `kernel_cache`.
pub(crate) fn on_device(
    device: DeviceName,
    kernel_cache: bool,
    work: impl OnDevice,
) -> Result<i32, CliError> {
    match device {
        DeviceName::Cpu => work.run::<Cpu>(&Default::default()),
        DeviceName::Cuda(index) => on_cuda(index, kernel_cache, work),
        DeviceName::CudaLocal => on_cuda(0, kernel_cache, work),
    }
}

#[cfg(feature = "cuda")]
fn on_cuda(index: usize, kernel_cache: bool, work: impl OnDevice) -> Result<i32, CliError> {
    let device = super::open_cuda::open_cuda(index, kernel_cache)?;
    work.run::<crate::compute::Cuda>(&device)
}

#[cfg(not(feature = "cuda"))]
fn on_cuda(index: usize, _: bool, _: impl OnDevice) -> Result<i32, CliError> {
    Err(CliError::input(
        format!(
            "--device cuda:{index} is not available: this program was built without the feature \
             `cuda`"
        ),
        "Build it with `cargo build --release --features cuda`, or use --device cpu",
    ))
}
