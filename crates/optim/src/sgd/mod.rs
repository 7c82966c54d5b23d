//! SGD with momentum.

mod momentum;
mod momentum_record;
#[expect(clippy::module_inception, reason = "a public type's file has its name")]
mod sgd;
mod sgd_config;
mod sgd_group;
mod sgd_hyper;
mod sgd_record;
mod sgd_state;
mod sgd_step;

pub use momentum::Momentum;
pub use momentum_record::MomentumRecord;
pub use sgd::Sgd;
pub use sgd_config::SgdConfig;
pub use sgd_group::SgdGroup;
pub use sgd_hyper::SgdHyper;
pub use sgd_record::SgdRecord;
pub use sgd_state::SgdState;
pub use sgd_step::sgd_step;
