//! What becomes of a run that is resumed without a part of its state.

#[expect(clippy::module_inception, reason = "a public type's file has its name")]
mod ablation;
mod ablation_case;
mod ablation_row;
mod baseline;
mod run;
mod table;

pub use ablation::Ablation;
pub use ablation_case::AblationCase;
pub use ablation_row::AblationRow;
pub use baseline::{Baseline, BaselineRow};
pub use run::ablate;
