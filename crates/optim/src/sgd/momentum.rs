//! The state of one parameter.

use burn::tensor::{Tensor, backend::Backend};

/// SGD's state of one parameter. The tensor is flat, in the parameter's row-major order and
/// dtype.
#[derive(Debug, Clone)]
pub struct Momentum<B: Backend> {
    /// Steps taken so far; 0 for a fresh state.
    pub step: u64,
    /// The parameter's own shape.
    pub spec: crate::ParamSpec,
    /// The decaying sum of the gradients; there from the first step on if `momentum` is not 0.
    pub momentum_buffer: Option<Tensor<B, 1>>,
}
