/// What a device adds to a run's [`Identity`](dacapo_trainer::Identity).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// `cpu`, or the GPU's name and compute capability.
    pub device: String,
    /// Precision of matrix products.
    pub precision: String,
    /// The table of kernels in use; `fixed` where the backend has just one.
    pub kernel_plan: String,
}
