//! One AdamW step of many tensors in one launch.
//!
//! Each element goes through the operations of `dacapo_optim::adamw_step`, in
//! its order, each rounded to the tensors' type, with nothing contracted into a
//! fused multiply-add: equal bits, while reading and writing each number once.
//!
//! ```text
//! param      = param * (1 - lr * weight_decay)            if weight_decay != 0
//! difference = grad - exp_avg
//! exp_avg    = exp_avg + difference * weight               if weight < 0.5
//!            = grad - difference * (1 - weight)            else
//! exp_avg_sq = exp_avg_sq * beta2 + (grad * (1 - beta2)) * grad
//! max        = exp_avg_sq if max < exp_avg_sq else max     with amsgrad
//! denom      = sqrt(max or exp_avg_sq) / sqrt(1 - beta2^step) + eps
//! param      = param + (exp_avg * -(lr / (1 - beta1^step))) / denom
//! ```
//!
//! with `weight = 1 - beta1`. All scalars are computed in f64 on the host and
//! rounded once to the tensors' type.
//!
//! # Launches
//!
//! Tensors are grouped by dtype, amsgrad and vector width (4 f32 or 2 f64 where
//! length and offsets allow it, else 1). A launch takes up to `capacity` tensors
//! of a group, so a step is the sum of `ceil(tensors / capacity)` over the
//! groups: one, for up to 32 f32 tensors of even sizes in place on CUDA.
//! [`capacity`] tells the number; it keeps a launch's arguments under the 4 KiB
//! that every CUDA version takes, and within the device's bindings. A launch is
//! padded to 1, 4, 16 or 32 tensors, so that few kernels are compiled.

mod adamw_dtype;
mod adamw_scalars;
mod adamw_state;
mod adamw_tensor;
mod kernel;
mod launch;
mod plan;
pub mod reference;
mod step_mode;

pub use adamw_dtype::AdamWDtype;
pub use adamw_scalars::AdamWScalars;
pub use adamw_state::AdamWState;
pub use adamw_tensor::AdamWTensor;
pub use launch::adamw_step;
pub use plan::capacity;
pub use step_mode::StepMode;
