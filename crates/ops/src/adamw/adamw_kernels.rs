use burn::tensor::{backend::Backend, ops::FloatTensor};

use super::{StateTensors, StepTensors};

/// A backend with an AdamW step of its own.
pub(crate) trait AdamWKernels: Backend {
    /// One step of each, in their order. All tensors are f32, flat, and of one length in a step.
    fn step(steps: Vec<StepTensors<FloatTensor<Self>>>) -> Vec<StateTensors<FloatTensor<Self>>>;
}
