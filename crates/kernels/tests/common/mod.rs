//! The runtime that the tests run on: CUDA where the feature `cuda` is on, else
//! Vulkan (feature `wgpu`), which Mesa's software driver serves without a GPU.

#[cfg(feature = "cuda")]
pub type TestRuntime = cubecl::cuda::CudaRuntime;
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
pub type TestRuntime = cubecl::wgpu::WgpuRuntime;

use cubecl::prelude::*;

pub fn client() -> ComputeClient<TestRuntime> {
    TestRuntime::client(&Default::default())
}
