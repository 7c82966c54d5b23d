use std::path::Path;

use cubecl::Runtime;
use cubecl::client::ComputeClient;
use cubecl::config::cache::CacheConfig;
use cubecl::config::profiling::ProfilingLogLevel;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

/// The runtime that is measured: CUDA where the feature is on, else Vulkan, which shows only
/// that a benchmark works.
#[cfg(feature = "cuda")]
pub type Gpu = cubecl::cuda::CudaRuntime;
/// The runtime that is measured: CUDA where the feature is on, else Vulkan, which shows only
/// that a benchmark works.
#[cfg(not(feature = "cuda"))]
pub type Gpu = cubecl::wgpu::WgpuRuntime;

/// The first GPU, after [`configure`].
pub fn open(cache: Option<&Path>) -> ComputeClient<Gpu> {
    configure(cache, None);
    Gpu::client(&Default::default())
}

/// CubeCL's defaults, whatever files and variables say, with compiled kernels kept in `cache`. To be
/// called once, before anything else touches a GPU.
///
/// With `profile` every launch is waited for and timed, and what each kernel took is appended to
/// that file, with a table whenever the device is synchronised. Nothing else can be timed then.
pub fn configure(cache: Option<&Path>, profile: Option<&Path>) {
    let mut config = CubeClRuntimeConfig::default();
    config.compilation.cache = cache.map(|path| CacheConfig::File(path.to_owned()));
    if let Some(path) = profile {
        config.profiling.logger.file = Some(path.to_owned());
        config.profiling.logger.level = ProfilingLogLevel::Medium;
    }
    CubeClRuntimeConfig::set(config);
}
