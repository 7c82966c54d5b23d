//! DoRA's weight decomposition, fused: the merged weight W' from W, A, B and m,
//! its norm, and the gradients of A, B and m.
//!
//! The low-rank product, the norm and the scaling happen in registers, and the
//! gradients come from products of W and of dL/dW' with the factors, so that no
//! dense V or dL/dV is ever written to memory. See [`Problem`] for the formula,
//! [`forward`], [`norm`] and [`backward`] for what is launched and
//! [`mod@reference`] for the same in plain host code.

mod channel_sum;
mod config;
mod cube_place;
mod error;
mod finish;
mod forward;
mod fragment;
mod fused_low_rank;
mod launch;
mod launch_backward;
mod launch_fused;
mod launch_masked;
mod launch_product;
mod launch_sweep;
mod layout;
mod left_product;
mod masked;
mod norm_gradient;
mod operand;
mod problem;
mod product;
mod product_config;
mod products;
pub mod reference;
mod right_product;
mod storage;
mod sweep;
mod sweep_config;
mod sweep_gradient;
mod sweep_slabs;
mod sweep_tiles;
mod tile;
mod tile_storage;

pub use error::MergeError;
pub use launch::{Inputs, Merged, forward, forward_launches, norm, uses_tensor_cores};
pub use launch_backward::{Gradients, backward, backward_launches};
pub use layout::Layout;
pub use norm_gradient::NormGradient;
pub use problem::Problem;
pub use products::Products;
pub use storage::Storage;
