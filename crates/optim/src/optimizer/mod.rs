//! Whichever optimizer a run is configured with.

#[expect(clippy::module_inception, reason = "a public type's file has its name")]
mod optimizer;
mod optimizer_config;
mod optimizer_kind;
mod optimizer_record;

pub use optimizer::Optimizer;
pub use optimizer_config::OptimizerConfig;
pub use optimizer_kind::OptimizerKind;
pub use optimizer_record::OptimizerRecord;
