use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use dacapo_models::{ConvNet, Vit};
use dacapo_rng::DropoutKey;

/// A model that maps images `[n, height, width]` to logits `[n, classes]`.
pub trait Classifier<B: Backend>: Module<B> {
    /// The logits; without a key in evaluation mode.
    fn logits(&self, images: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 2>;
}

impl<B: Backend> Classifier<B> for Vit<B> {
    fn logits(&self, images: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 2> {
        self.forward(images, dropout)
    }
}

impl<B: Backend> Classifier<B> for ConvNet<B> {
    fn logits(&self, images: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 2> {
        self.forward(images, dropout)
    }
}
