//! AdamW and SGD as pure steps over a serialisable state, with PyTorch's order of
//! operations, and learning-rate schedules whose position is state.
//!
//! # Contract
//!
//! - An optimizer is three values: a validated configuration ([`AdamW`], [`Sgd`]), a
//!   state ([`AdamWState`], one [`Moments`] per parameter path; [`SgdState`], one
//!   [`Momentum`]) and a function from `(state, params, grads, lr_factor)` to
//!   `(params, state, report)`.
//!   A report can be waited for later ([`Optimizer::step_deferred`]), so that a GPU is not.
//!   The same inputs on the same backend give the same bits; nothing is read
//!   from a clock, the environment or a generator.
//! - One step does what `torch.optim.AdamW(foreach=False, fused=False)` does,
//!   operation for operation (quoted in [`adamw_step`]), in the parameter's own
//!   dtype (f32 or f64), with every scalar computed in f64. On a backend with a
//!   kernel for it (`dacapo-ops`) all f32 parameters take a few launches together,
//!   with the bits of the single operations.
//!   SGD's step does what `torch.optim.SGD` does (quoted in [`sgd_step`]).
//! - [`Optimizer`] is whichever of them an [`OptimizerConfig`] names, with its state.
//! - [`AdamWState::to_record`] and [`AdamWState::from_record`] are inverse to
//!   the bit, in the parameter's shape and dtype, whatever precision settings a
//!   burn recorder has. Loading fails closed: a missing, extra, differently
//!   shaped or typed tensor, a missing field, or another configuration is an
//!   error that names it.
//! - Parameters are keyed by stable path, never by burn's `ParamId`. A pattern
//!   of a [`ParamGroup`] that matches no path is an error, and so are a
//!   parameter without a gradient and a gradient without a parameter.
//! - A [`Schedule`] is a pure function of its position in ticks; a
//!   [`Scheduler`] is a schedule and a position.
//!
//! # What this crate does not do
//!
//! It does not walk modules or autodiff graphs (the caller hands over
//! flattened tensors by path; on an autodiff backend hand over the *inner*
//! tensors, or the step itself is recorded), accumulate gradients, touch files,
//! decide when a schedule ticks, or support sparse, complex, half-precision or
//! `maximize` optimisation. Changing hyper-parameters of a running optimizer is
//! the caller's explicit edit of the record's `config`, never a silent merge.
//!
//! # Example
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use burn::tensor::{DType, Tensor};
//! use burn_flex::{Flex, FlexDevice};
//! use dacapo_optim::{AdamW, AdamWConfig, AdamWState, ParamSpec};
//!
//! # fn main() -> Result<(), dacapo_optim::OptimError> {
//! let device = FlexDevice;
//! let adamw = AdamW::new(AdamWConfig { lr: 0.1, ..AdamWConfig::default() })?;
//! let specs = BTreeMap::from([("head.weight".to_string(), ParamSpec::new([2], DType::F32))]);
//! let state: AdamWState<Flex> = adamw.init(&specs, &device)?;
//!
//! let params = BTreeMap::from([("head.weight".to_string(), Tensor::from_floats([1.0, 2.0], &device))]);
//! let grads = BTreeMap::from([("head.weight".to_string(), Tensor::from_floats([3.0, 4.0], &device))]);
//! let (params, state, report) = adamw.step(state, params, grads, 1.0)?;
//! assert_eq!(report.grad_norm, 5.0);
//!
//! let record = state.to_record(&adamw)?;
//! let resumed: AdamWState<Flex> = AdamWState::from_record(&record, &specs, adamw.config(), &device)?;
//! assert_eq!(resumed.to_record(&adamw)?, record);
//! # let _ = params;
//! # Ok(())
//! # }
//! ```

mod adamw;
mod checks;
mod clip;
mod error;
mod optimizer;
mod param_spec;
mod patterns;
mod pending_report;
mod record_tensors;
mod schedule;
#[cfg(feature = "schema")]
mod schema;
mod sgd;
mod step_report;
mod values;
mod written;

pub use adamw::{
    AdamW, AdamWConfig, AdamWRecord, AdamWState, Hyper, Moments, MomentsRecord, ParamGroup,
    adamw_step,
};
pub use error::OptimError;
pub use optimizer::{Optimizer, OptimizerConfig, OptimizerKind, OptimizerRecord};
pub use param_spec::ParamSpec;
pub use pending_report::PendingReport;
pub use schedule::{Schedule, ScheduleConfig, Scheduler, SchedulerRecord};
pub use sgd::{
    Momentum, MomentumRecord, Sgd, SgdConfig, SgdGroup, SgdHyper, SgdRecord, SgdState, sgd_step,
};
pub use step_report::StepReport;
