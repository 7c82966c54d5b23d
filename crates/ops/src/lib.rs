//! Burn operations whose kernels are chosen by a fixed plan, not by the backend.
//!
//! [`matmul`] and [`linear`] are the matrix products of a training step. Each takes a
//! [`Precision`], and on a GPU each runs the kernel that the [`KernelPlan`] names for its shape,
//! so that equal inputs give equal bits in every process, at a known precision and speed. They
//! are differentiable, and the products of their backward passes go through the same plan.
//!
//! # Where it computes how
//!
//! | backend | precision | computed by |
//! |---|---|---|
//! | a CubeCL backend (feature `cuda`, or `wgpu` for tests), with or without `Autodiff` | those that the device has | the plan |
//! | `Flex`, with or without `Autodiff` | `F32` | Burn's own operations, to the bit |
//! | | `Tf32`, `Bf16` | operands rounded on the host, then Burn's product in f32: the oracle of the GPU's |
//! | any other | `F32` | Burn's own operations |
//! | | `Tf32`, `Bf16` | refused with a panic |
//!
//! Generic code asks for `B: Backend` only: which row applies is found out from the type of the
//! tensors ([`matmul`] says how). A backend of one's own joins by implementing [`PlannedMatmul`]
//! and calling its functions.
//!
//! # Contract
//!
//! * Precision is that of products of f32 matrices. What is stored stays f32, and so do sums
//!   inside a product and every other operation. Tensors of another float type are multiplied in
//!   their own, whatever the precision.
//! * Nothing is tuned or measured at run time. A product's kernel depends on shapes, strides,
//!   precision and the device's properties.
//! * A tensor that needs no gradient costs nothing in the backward pass.
//!
//! # What this crate does not do
//!
//! * It does not choose a precision, and does not cast models.
//! * It does not plan convolutions or reductions; those are Burn's.

mod autodiff;
#[cfg(feature = "cube")]
mod cube;
mod dispatch;
mod linear;
mod matmul;
mod plain;
mod plan;
mod planned_matmul;
mod precision;

pub use linear::linear;
pub use matmul::matmul;
pub use plan::{Kernel, KernelPlan, Layout, MatmulShape, PlanRow, ShapeClass};
pub use planned_matmul::PlannedMatmul;
pub use precision::Precision;
