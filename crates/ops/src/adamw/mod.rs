//! AdamW's step of many tensors at once.

mod adamw_kernels;
mod adamw_step;
mod adamw_stepped;
mod by_kernels;
#[cfg(feature = "cube")]
mod cube;
mod host;
mod state_tensors;
mod step_tensors;

use burn::tensor::backend::Backend;

pub(crate) use adamw_kernels::AdamWKernels;
pub use adamw_step::AdamWStep;
pub use adamw_stepped::AdamWStepped;
use by_kernels::stepped;
pub(crate) use state_tensors::StateTensors;
pub(crate) use step_tensors::StepTensors;

/// One AdamW step of every tensor, in their order, on a GPU in a few launches and on `Flex` in one
/// loop: the operations of `dacapo_optim::adamw_step`, with equal bits on the same device.
///
/// A parameter and its moments are overwritten where nobody else holds any of them; otherwise
/// their step goes into new memory, and whoever holds the old ones keeps them as they are. New
/// tensors share pieces of memory, and so count as held by each other in the next step.
///
/// # Errors
/// The steps as they came, where the backend has no kernel for them (an autodiff backend has
/// none, as the step is not differentiable here) or a tensor is not f32: then take them one by
/// one.
///
/// # Panics
/// If the tensors of a step differ in length, or have more than about 2^32 elements.
pub fn adamw_step<B: Backend>(
    steps: Vec<AdamWStep<B>>,
) -> Result<Vec<AdamWStepped<B>>, Vec<AdamWStep<B>>> {
    for (index, step) in steps.iter().enumerate() {
        step.check(index);
    }
    stepped(steps)
}
