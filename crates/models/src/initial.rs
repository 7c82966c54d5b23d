use burn::module::Param;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_dora::DoraLinear;
use dacapo_rng::Stream;

use crate::init::normal;

/// Where the first values of a model's parameters come from.
pub(crate) trait Initial<B: Backend> {
    fn device(&self) -> &B::Device;

    fn linear(&mut self, d_in: usize, d_out: usize, bias: bool) -> DoraLinear<B>;

    /// Of tokens and positions.
    fn tokens<const D: usize>(&mut self, shape: [usize; D]) -> Param<Tensor<B, D>>;
}

/// Drawn from a stream.
pub(crate) struct Drawn<'a, B: Backend> {
    pub(crate) stream: &'a mut Stream,
    pub(crate) device: &'a B::Device,
}

/// Deviation of the initial values of tokens and positions (Dosovitskiy et al.'s code;
/// here without truncation).
const TOKEN_STD: f64 = 0.02;

impl<B: Backend> Initial<B> for Drawn<'_, B> {
    fn device(&self) -> &B::Device {
        self.device
    }

    fn linear(&mut self, d_in: usize, d_out: usize, bias: bool) -> DoraLinear<B> {
        DoraLinear::init(d_in, d_out, bias, self.stream, self.device)
    }

    fn tokens<const D: usize>(&mut self, shape: [usize; D]) -> Param<Tensor<B, D>> {
        normal(shape, TOKEN_STD, self.stream, self.device)
    }
}

/// Zeros, to be loaded over.
pub(crate) struct Zeros<'a, B: Backend> {
    pub(crate) device: &'a B::Device,
}

impl<B: Backend> Initial<B> for Zeros<'_, B> {
    fn device(&self) -> &B::Device {
        self.device
    }

    fn linear(&mut self, d_in: usize, d_out: usize, bias: bool) -> DoraLinear<B> {
        let weight = Param::from_tensor(Tensor::zeros([d_in, d_out], self.device));
        let bias = bias.then(|| Param::from_tensor(Tensor::zeros([d_out], self.device)));
        DoraLinear::from_params(weight, bias)
    }

    fn tokens<const D: usize>(&mut self, shape: [usize; D]) -> Param<Tensor<B, D>> {
        Param::from_tensor(Tensor::zeros(shape, self.device))
    }
}
