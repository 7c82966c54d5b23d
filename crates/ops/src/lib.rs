//! Burn operations whose kernels are chosen by a fixed plan, not by the backend.
//!
//! [`matmul`] and [`linear`] are the matrix products of a training step. Each takes a
//! [`Precision`], and on a GPU each runs the kernel that the [`KernelPlan`] names for its shape,
//! so that equal inputs give equal bits in every process, at a known precision and speed. They
//! are differentiable, and the products of their backward passes go through the same plan.
//!
//! [`layer_norm`], [`activate`] and [`scaled_softmax`] are what a transformer block computes between
//! its products, [`l2_normalise`] what comes before cosines, each in one pass over its tensors, forward and backward: by kernels of
//! `dacapo-kernels` on a CubeCL backend, by loops of this crate on `Flex`, with or without
//! `Autodiff`. In other float types than f32, and elsewhere, they are Burn's own operations.
//! [`linear_onto`] and [`perceptron_onto`] add what layers make to a residual stream: on CUDA within the
//! products themselves. [`single_query_attention`] is that of one token over a sequence's rows.
//! [`swap_heads`] is a copy that `Flex` would make one element at a time, [`add_row`] an addition that
//! it would make on one thread. [`sum()`], [`mean`], [`mean_square`], [`sums_of_squares`] and
//! [`sum_of_squares`] add in one order; Burn's own, on an NVIDIA GPU, in whichever the parts arrive.
//! [`queue_read`] queues a read at once that is waited for later.
//!
//! [`gather_rows`] copies rows of several tensors into one: on a CubeCL backend in one pass, elsewhere
//! by Burn's own operations.
//!
//! On a CubeCL backend three more operations run by kernels, whose versions the plan names:
//! [`dora_merge`] is DoRA's merged weight with its gradients, [`dropout`] multiplies by a mask that
//! is made on the device, and [`adamw_step`], on `Flex` a loop, too, is an optimizer step of many
//! tensors in a few launches. Everywhere else, and for float types that a kernel does not take,
//! they decline, and their callers' plain tensor operations compute. Masks and steps have the bits
//! of those; a merge sums in another order.
//!
//! # Where a product is computed how
//!
//! | backend | precision | computed by |
//! |---|---|---|
//! | a CubeCL backend (feature `cuda`, or `wgpu` for tests), with or without `Autodiff` | those that the device has | the plan |
//! | `Flex`, with or without `Autodiff` | `F32` | Burn's own products, to the bit, into fresh memory |
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
//! * Nothing is tuned or measured at run time. A product's kernel, and into how many parts of k it
//!   is split, depends on shapes, strides, precision and the device's properties.
//! * On the host no bit of a loop depends on the number of threads, nor on the machine's vector
//!   instructions.
//! * A tensor that needs no gradient costs nothing in the backward pass.
//!
//! # What this crate does not do
//!
//! * It does not choose a precision, and does not cast models.
//! * It does not plan convolutions or reductions; those are Burn's.

mod activation;
mod adamw;
mod autodiff;
#[cfg(feature = "cube")]
mod cube;
mod dispatch;
mod dropout;
mod fused;
mod gather;
mod host;
mod host_product;
mod linear;
mod matmul;
mod merge;
mod perceptron;
mod plain;
mod plan;
mod planned_matmul;
mod precision;
mod product_sizes;
mod queued_read;
mod single_query;
mod work_queue;

pub use activation::Activation;
pub use adamw::{AdamWStep, AdamWStepped, adamw_step};
pub use dropout::{DropoutMask, dropout};
pub use fused::{
    activate, add_row, l2_normalise, layer_norm, mean, mean_square, scaled_softmax, sum,
    sum_of_squares, sums_of_squares, swap_heads,
};
pub use gather::gather_rows;
pub use linear::linear;
pub use matmul::matmul;
pub use merge::{MergeInputs, MergeSpec, dora_merge, dora_norm};
pub use perceptron::{Affine, linear_onto, perceptron_onto};
pub use plan::{Kernel, KernelPlan, Layout, MatmulShape, PlanRow, ShapeClass, Tiling};
pub use planned_matmul::PlannedMatmul;
pub use precision::Precision;
pub use product_sizes::ProductSizes;
pub use queued_read::{QueuedRead, queue_read};
pub use single_query::single_query_attention;
pub use work_queue::WorkQueue;
