use burn::tensor::{Tensor, backend::Backend};

/// One tensor's part in [`adamw_step`](crate::adamw_step): flat tensors of one length, and the
/// scalars of its step.
#[derive(Clone, Debug)]
pub struct AdamWStep<B: Backend> {
    /// The parameter.
    pub param: Tensor<B, 1>,
    /// Its gradient.
    pub grad: Tensor<B, 1>,
    /// First moment.
    pub exp_avg: Tensor<B, 1>,
    /// Second moment.
    pub exp_avg_sq: Tensor<B, 1>,
    /// Largest second moment so far; there exactly with amsgrad.
    pub max_exp_avg_sq: Option<Tensor<B, 1>>,
    /// The learning rate in force.
    pub lr: f64,
    /// Decay rates of the moments.
    pub betas: [f64; 2],
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// The number of this step, from 1.
    pub step: u64,
}

impl<B: Backend> AdamWStep<B> {
    /// The parameter, the gradient and the moments.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor<B, 1>> {
        [&self.param, &self.grad, &self.exp_avg, &self.exp_avg_sq]
            .into_iter()
            .chain(&self.max_exp_avg_sq)
    }

    pub(super) fn check(&self, index: usize) {
        let len = self.param.dims();
        assert!(
            self.tensors().all(|tensor| tensor.dims() == len),
            "adamw_step: expected tensors of one length in step {index}, found {:?}",
            self.tensors().map(Tensor::dims).collect::<Vec<_>>()
        );
    }
}
