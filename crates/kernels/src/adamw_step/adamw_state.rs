use cubecl::server::Handle;

/// What a step gives for one tensor, in flat buffers of its length and dtype.
#[derive(Debug, Clone)]
pub struct AdamWState {
    /// The new parameter.
    pub param: Handle,
    /// First moment.
    pub exp_avg: Handle,
    /// Second moment.
    pub exp_avg_sq: Handle,
    /// Largest second moment so far, with amsgrad.
    pub max_exp_avg_sq: Option<Handle>,
}
