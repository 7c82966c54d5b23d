//! DoRA's weight decomposition, fused: the merged weight W' from W, A, B and m,
//! its norm, and the gradients of A, B and m.
//!
//! The low-rank product, the norm and the scaling happen in registers, so that
//! the dense V is never written to memory. See [`Problem`] for the formula,
//! [`forward`], [`norm`] and [`backward`] for what is launched and
//! [`mod@reference`] for the same in plain host code.

mod backward;
mod channel_sum;
mod config;
mod error;
mod forward;
mod fragment;
mod launch;
mod launch_backward;
mod layout;
mod norm_gradient;
mod problem;
mod products;
pub mod reference;
mod storage;
mod tile;

pub use error::MergeError;
pub use launch::{Inputs, Merged, forward, forward_launches, norm, uses_tensor_cores};
pub use launch_backward::{Gradients, backward, backward_launches};
pub use layout::Layout;
pub use norm_gradient::NormGradient;
pub use problem::Problem;
pub use products::Products;
pub use storage::Storage;
