//! The state of one parameter.

use burn::tensor::{Tensor, backend::Backend};

/// Optimizer state of one parameter. The tensors are flat, in the parameter's
/// row-major order and dtype.
#[derive(Debug, Clone)]
pub struct Moments<B: Backend> {
    /// Steps taken so far; 0 for a fresh state.
    pub step: u64,
    /// The parameter's own shape.
    pub shape: Vec<usize>,
    /// Running average of the gradient.
    pub exp_avg: Tensor<B, 1>,
    /// Running average of the squared gradient.
    pub exp_avg_sq: Tensor<B, 1>,
    /// Element-wise maximum of `exp_avg_sq` over the steps; amsgrad only.
    pub max_exp_avg_sq: Option<Tensor<B, 1>>,
}
