use burn::tensor::{Tensor, backend::Backend};

/// What [`adamw_step`](crate::adamw_step) gives for one tensor.
#[derive(Clone, Debug)]
pub struct AdamWStepped<B: Backend> {
    /// The new parameter.
    pub param: Tensor<B, 1>,
    /// First moment.
    pub exp_avg: Tensor<B, 1>,
    /// Second moment.
    pub exp_avg_sq: Tensor<B, 1>,
    /// Largest second moment so far, with amsgrad.
    pub max_exp_avg_sq: Option<Tensor<B, 1>>,
}
