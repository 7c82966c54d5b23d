//! What a product in CUDA C++ does with its sums before it writes them: a bias, a tensor beside the
//! result, an activation or its slope, in place of a launch of their own that reads the result again.
//!
//! Sums are finished in f32, by the expressions of [`activation`](crate::activation).

#[expect(
    clippy::module_inception,
    reason = "the enum is what the module is about"
)]
mod finish;
mod finished;

pub use finish::Finish;
pub use finished::Finished;
