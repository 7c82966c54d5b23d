//! A line through nine points, by its slope.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData, backend::Backend},
};
use burn_flex::FlexDevice;

#[derive(Module, Debug)]
pub struct Line<B: Backend> {
    pub slope: Param<Tensor<B, 2>>,
}

/// Mean squared error of these points, `[1]`.
pub fn mean_square<B: Backend<Device = FlexDevice>>(
    model: &Line<B>,
    examples: &[usize],
) -> Tensor<B, 1> {
    let x: Vec<f32> = examples.iter().map(|index| *index as f32 / 8.0).collect();
    let x = Tensor::<B, 2>::from_data(TensorData::new(x, [examples.len(), 1]), &FlexDevice);
    let errors = x.clone().matmul(model.slope.val()) - x * 3.0;
    errors.powi_scalar(2).mean()
}
