use std::{
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
};

use burn_cuda::CudaDevice;
use cudarc::{
    driver::{CudaContext, DriverError},
    nvrtc::compile_ptx,
};

use super::kernel_cache;
use crate::{CliError, compute::PROBE};

/// The GPU with this index, once everything that kernels need at run time is there. With
/// `cache`, kernels compiled earlier are used again.
///
/// # Errors
/// Names what is missing: the driver, the device, NVRTC or the CUDA headers.
pub(crate) fn open_cuda(index: usize, cache: bool) -> Result<CudaDevice, CliError> {
    let missing = |what: String, next: &str| {
        Err(CliError::input(
            format!("--device cuda:{index} cannot be used: {what}"),
            format!("{next}, or use --device cpu"),
        ))
    };
    let gpu = match quietly(|| CudaContext::new(index).and_then(|context| describe(&context))) {
        None => {
            return missing(
                "the CUDA driver (libcuda) is missing".to_owned(),
                "Install an NVIDIA driver",
            );
        }
        Some(Err(error)) => {
            return missing(
                format!("the driver shows no such device ({error})"),
                "See nvidia-smi for the devices",
            );
        }
        Some(Ok(gpu)) => gpu,
    };
    let probe = match quietly(|| compile_ptx(PROBE)) {
        None => {
            return missing(
                "NVRTC (libnvrtc), which compiles the kernels, is missing".to_owned(),
                "Install the CUDA toolkit and put its lib64 on LD_LIBRARY_PATH",
            );
        }
        Some(Err(error)) => {
            return missing(
                format!("NVRTC does not work ({error})"),
                "Install a CUDA toolkit that fits the driver",
            );
        }
        Some(Ok(probe)) => probe,
    };
    let include = toolkit().join("include");
    let headers = include.join("cuda_fp16.h");
    if !headers.is_file() {
        return missing(
            format!(
                "the CUDA headers are missing: there is no {}",
                headers.display()
            ),
            "Install the CUDA toolkit and set CUDA_PATH to its folder",
        );
    }
    let folder = if cache { kernel_cache::folder() } else { None };
    // The probe's text names the compiler and its version; these headers are part of what it
    // compiles.
    let mut keys = vec![gpu.into_bytes(), probe.to_src().into_bytes()];
    for header in ["cuda.h", "cuda_fp16.h", "cuda_bf16.h", "mma.h"] {
        keys.push(std::fs::read(include.join(header)).unwrap_or_default());
    }
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    kernel_cache::configure(folder, &keys);
    Ok(CudaDevice { index })
}

/// What kernels are compiled for.
fn describe(context: &CudaContext) -> Result<String, DriverError> {
    let (major, minor) = context.compute_capability()?;
    Ok(format!("{} sm_{major}{minor}", context.name()?))
}

/// Where Burn looks for the headers.
fn toolkit() -> PathBuf {
    match std::env::var_os("CUDA_PATH") {
        Some(path) => path.into(),
        None => ["/usr/local/cuda", "/opt/cuda"]
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .unwrap_or_else(|| "/usr/local/cuda".into()),
    }
}

/// Runs `probe`, which panics where a library cannot be loaded, without a word about it.
fn quietly<R>(probe: impl FnOnce() -> R) -> Option<R> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(probe));
    panic::set_hook(hook);
    result.ok()
}
