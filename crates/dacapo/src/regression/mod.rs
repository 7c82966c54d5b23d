//! Rows of numbers in memory, and a model that predicts others from them: a task that is there
//! already, for models from rows to rows.

mod predict;
#[expect(clippy::module_inception, reason = "a public type's file has its name")]
mod regression;

pub use predict::Predict;
pub use regression::Regression;
