//! The optimizer.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, backend::Backend};

use crate::{
    Momentum, OptimError, ParamSpec, PendingReport, SgdConfig, SgdHyper, SgdState, StepReport,
    checks::{check_specs, check_step, take},
    clip::clip,
    patterns::Patterns,
    sgd_step,
    values::non_negative,
};

/// SGD with a checked configuration. It holds no state of its own.
#[derive(Debug, Clone)]
pub struct Sgd {
    config: SgdConfig,
    patterns: Patterns,
}

impl Sgd {
    /// An optimizer of this configuration.
    ///
    /// # Errors
    /// Those of [`SgdConfig::validate`].
    pub fn new(config: SgdConfig) -> Result<Self, OptimError> {
        config.validate()?;
        let patterns = Patterns::new(config.groups.iter().map(|group| &group.pattern));
        Ok(Self { config, patterns })
    }

    /// The configuration.
    pub fn config(&self) -> &SgdConfig {
        &self.config
    }

    /// The hyper-parameters in force for a path: the configuration's, overridden
    /// by the first group whose pattern matches.
    pub fn hyper(&self, path: &str) -> SgdHyper {
        let group = self.patterns.group(path);
        self.config
            .hyper(group.map(|index| &self.config.groups[index]))
    }

    /// A fresh state: step 0, no buffers, for the parameters by path.
    ///
    /// # Errors
    /// No parameters, one that is empty or neither f32 nor f64, or a group whose
    /// pattern matches none of them.
    pub fn init<B: Backend>(
        &self,
        params: &BTreeMap<String, ParamSpec>,
    ) -> Result<SgdState<B>, OptimError> {
        self.check_specs(params)?;
        let momenta = params.iter().map(|(path, spec)| {
            let momentum = Momentum {
                step: 0,
                spec: spec.clone(),
                momentum_buffer: None,
            };
            (path.clone(), momentum)
        });
        Ok(SgdState {
            momenta: momenta.collect(),
        })
    }

    /// One step of every parameter: clips the gradients (by value, then by the
    /// norm over all of them), then applies [`sgd_step`] with the group's learning rate times
    /// `lr_factor`. Parameters and gradients are flat, by path, in the parameter's dtype. A
    /// clone of any of them that the caller keeps is never changed.
    ///
    /// # Errors
    /// A parameter without gradient, a gradient without parameter, parameters
    /// other than the state's, lengths or dtypes that differ, a gradient whose
    /// norm is not finite, a factor that is negative or not finite, a device
    /// failure.
    #[allow(clippy::type_complexity)]
    pub fn step<B: Backend>(
        &self,
        state: SgdState<B>,
        params: BTreeMap<String, Tensor<B, 1>>,
        grads: BTreeMap<String, Tensor<B, 1>>,
        lr_factor: f64,
    ) -> Result<(BTreeMap<String, Tensor<B, 1>>, SgdState<B>, StepReport), OptimError> {
        let (params, state, report) = self.step_deferred(state, params, grads, lr_factor)?;
        Ok((params, state, report.wait()?))
    }

    /// [`step`](Self::step) with a report that can be waited for later.
    ///
    /// # Errors
    /// Those of [`step`](Self::step), but for gradients that are not finite, which the report
    /// tells of if there is no `clip_value` or `clip_norm`.
    #[allow(clippy::type_complexity)]
    pub fn step_deferred<B: Backend>(
        &self,
        state: SgdState<B>,
        params: BTreeMap<String, Tensor<B, 1>>,
        grads: BTreeMap<String, Tensor<B, 1>>,
        lr_factor: f64,
    ) -> Result<
        (
            BTreeMap<String, Tensor<B, 1>>,
            SgdState<B>,
            PendingReport<B>,
        ),
        OptimError,
    > {
        non_negative("lr_factor", lr_factor)?;
        check_step(&params, &grads, &state.momenta, |momentum| {
            momentum.momentum_buffer.iter()
        })?;
        let (mut grads, report) = clip(self.config.clip_value, self.config.clip_norm, grads)?;
        let mut old = state.momenta;
        let (mut after, mut momenta) = (BTreeMap::new(), BTreeMap::new());
        for (path, param) in params {
            let hyper = self.hyper(&path);
            let grad = take(&mut grads, &path, |path| OptimError::MissingGradient {
                path,
            })?;
            let momentum = take(&mut old, &path, |path| OptimError::MissingState { path })?;
            check_buffer(
                &path,
                &hyper,
                momentum.step,
                momentum.momentum_buffer.is_some(),
            )?;
            let (param, momentum) = sgd_step(&hyper, hyper.lr * lr_factor, param, grad, momentum);
            after.insert(path.clone(), param);
            momenta.insert(path, momentum);
        }
        Ok((after, SgdState { momenta }, report))
    }

    /// What [`Self::init`] refuses.
    pub(crate) fn check_specs(
        &self,
        params: &BTreeMap<String, ParamSpec>,
    ) -> Result<(), OptimError> {
        check_specs(params, &self.patterns)
    }
}

/// There is a buffer from the first step on, if there is momentum.
pub(crate) fn check_buffer(
    path: &str,
    hyper: &SgdHyper,
    step: u64,
    found: bool,
) -> Result<(), OptimError> {
    let expected = hyper.momentum != 0.0 && step > 0;
    let name = |there| if there { "a tensor" } else { "none" };
    match expected == found {
        true => Ok(()),
        false => Err(OptimError::BufferMismatch {
            path: path.to_string(),
            step,
            momentum: hyper.momentum,
            expected: name(expected),
            found: name(found),
        }),
    }
}
