//! AdamW.

#[expect(clippy::module_inception, reason = "a public type's file has its name")]
mod adamw;
mod adamw_config;
mod adamw_record;
mod adamw_state;
mod adamw_step;
mod hyper;
mod moments;
mod moments_record;
mod param_group;
mod step_all;

pub use adamw::AdamW;
pub use adamw_config::AdamWConfig;
pub use adamw_record::AdamWRecord;
pub use adamw_state::AdamWState;
pub use adamw_step::adamw_step;
pub use hyper::Hyper;
pub use moments::Moments;
pub use moments_record::MomentsRecord;
pub use param_group::ParamGroup;
