use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData, backend::Backend},
};
use dacapo_dora::{DoraLinear, DoraTargets};
use dacapo_models::Bert;
use dacapo_ops::Precision;

/// A sentence encoder, and a linear layer on the mean of its tokens.
#[derive(Module, Debug, DoraTargets)]
pub struct SentenceRegressor<B: Backend> {
    /// `[n, d_model]` of each sentence.
    pub encoder: Bert<B>,
    /// `[d_model, dimensions]`.
    pub head: DoraLinear<B>,
}

impl<B: Backend> SentenceRegressor<B> {
    /// With a head that predicts `means` for every sentence: zeros, and these biases.
    pub fn new(encoder: Bert<B>, means: &[f32], device: &B::Device) -> Self {
        let d_model = encoder.config().d_model;
        let weight = Tensor::zeros([d_model, means.len()], device);
        let bias = TensorData::new(means.to_vec(), [means.len()]);
        let bias = Tensor::from_data(bias, device);
        let head =
            DoraLinear::from_params(Param::from_tensor(weight), Some(Param::from_tensor(bias)));
        Self { encoder, head }
    }

    /// Predictions `[n, dimensions]` for embeddings `[n, d_model]`.
    pub fn predict(&self, embeddings: Tensor<B, 2>) -> Tensor<B, 2> {
        self.head.forward(embeddings, None)
    }

    /// The same model with its matrix products in `precision`.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self {
            encoder: self.encoder.with_precision(precision),
            head: self.head.with_precision(precision),
        }
    }
}
