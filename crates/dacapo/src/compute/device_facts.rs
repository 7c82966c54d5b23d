/// What a device adds to a run's [`Identity`](dacapo_trainer::Identity).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// `cpu`, or the GPU's name and compute capability and the versions of what compiles for it:
    /// of the driver and of NVRTC.
    pub device: String,
    /// Precision of matrix products.
    pub precision: String,
    /// The kernels in use; `fixed` where the backend has just one, for plain tensor operations.
    pub kernel_plan: String,
}
