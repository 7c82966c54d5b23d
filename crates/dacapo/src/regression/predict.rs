use burn::tensor::{Tensor, backend::Backend};
use dacapo_rng::DropoutKey;

/// A model that predicts a row of numbers from a row of numbers.
pub trait Predict<B: Backend> {
    /// Predictions `[n, outputs]` for `inputs` `[n, inputs]`; `dropout` is for the layers' `forward`,
    /// none in evaluation.
    fn predict(&self, inputs: Tensor<B, 2>, dropout: Option<&DropoutKey>) -> Tensor<B, 2>;
}
