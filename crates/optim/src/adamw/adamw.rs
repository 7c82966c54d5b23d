//! The optimizer.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, backend::Backend};

use super::step_all::{Single, step_all};
use crate::{
    AdamWConfig, AdamWState, Hyper, Moments, OptimError, ParamGroup, ParamSpec, PendingReport,
    StepReport,
    checks::{check_specs, check_step, take},
    clip::clip,
    patterns::Patterns,
    values::non_negative,
};

/// AdamW with a checked configuration. It holds no state of its own.
#[derive(Debug, Clone)]
pub struct AdamW {
    config: AdamWConfig,
    patterns: Patterns,
}

impl AdamW {
    /// An optimizer of this configuration.
    ///
    /// # Errors
    /// Those of [`AdamWConfig::validate`].
    pub fn new(config: AdamWConfig) -> Result<Self, OptimError> {
        config.validate()?;
        let patterns = Patterns::new(config.groups.iter().map(|group| &group.pattern));
        Ok(Self { config, patterns })
    }

    /// The configuration.
    pub fn config(&self) -> &AdamWConfig {
        &self.config
    }

    /// The hyper-parameters in force for a path: the configuration's, overridden
    /// by the first group whose pattern matches.
    pub fn hyper(&self, path: &str) -> Hyper {
        let none = ParamGroup::default();
        let group = self
            .patterns
            .group(path)
            .map_or(&none, |index| &self.config.groups[index]);
        Hyper {
            lr: group.lr.unwrap_or(self.config.lr),
            beta1: group.beta1.unwrap_or(self.config.beta1),
            beta2: group.beta2.unwrap_or(self.config.beta2),
            eps: group.eps.unwrap_or(self.config.eps),
            weight_decay: group.weight_decay.unwrap_or(self.config.weight_decay),
            amsgrad: group.amsgrad.unwrap_or(self.config.amsgrad),
        }
    }

    /// A fresh state: step 0, all moments zero, for the parameters by path.
    ///
    /// # Errors
    /// No parameters, one that is empty or neither f32 nor f64, or a group whose
    /// pattern matches none of them.
    pub fn init<B: Backend>(
        &self,
        params: &BTreeMap<String, ParamSpec>,
        device: &B::Device,
    ) -> Result<AdamWState<B>, OptimError> {
        self.check_specs(params)?;
        let moments = params
            .iter()
            .map(|(path, spec)| {
                let zeros = Tensor::<B, 1>::zeros([spec.len()], (device, spec.dtype));
                let moments = Moments {
                    step: 0,
                    shape: spec.shape.clone(),
                    exp_avg: zeros.clone(),
                    exp_avg_sq: zeros.clone(),
                    max_exp_avg_sq: self.hyper(path).amsgrad.then_some(zeros),
                };
                (path.clone(), moments)
            })
            .collect();
        Ok(AdamWState { moments })
    }

    /// One step of every parameter: clips the gradients (by value, then by the
    /// norm over all of them), then applies [`adamw_step`](crate::adamw_step) with the group's
    /// learning rate times `lr_factor`. Parameters and gradients are flat, by
    /// path, in the parameter's dtype. A clone of any of them that the caller
    /// keeps is never changed.
    ///
    /// # Errors
    /// A parameter without gradient, a gradient without parameter, parameters
    /// other than the state's, lengths or dtypes that differ, a gradient whose
    /// norm is not finite, a factor that is negative or not finite, a device
    /// failure. Arguments are taken by value: after an error go back to a
    /// checkpoint (or keep a clone, which shares the tensors).
    #[allow(clippy::type_complexity)]
    pub fn step<B: Backend>(
        &self,
        state: AdamWState<B>,
        params: BTreeMap<String, Tensor<B, 1>>,
        grads: BTreeMap<String, Tensor<B, 1>>,
        lr_factor: f64,
    ) -> Result<(BTreeMap<String, Tensor<B, 1>>, AdamWState<B>, StepReport), OptimError> {
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
        state: AdamWState<B>,
        params: BTreeMap<String, Tensor<B, 1>>,
        grads: BTreeMap<String, Tensor<B, 1>>,
        lr_factor: f64,
    ) -> Result<
        (
            BTreeMap<String, Tensor<B, 1>>,
            AdamWState<B>,
            PendingReport<B>,
        ),
        OptimError,
    > {
        non_negative("lr_factor", lr_factor)?;
        self.check_step(&state, &params, &grads)?;
        let (mut grads, report) = clip(self.config.clip_value, self.config.clip_norm, grads)?;
        let mut old = state.moments;
        let mut singles = Vec::new();
        for (path, param) in params {
            let hyper = self.hyper(&path);
            let grad = take(&mut grads, &path, |path| OptimError::MissingGradient {
                path,
            })?;
            let moments = take(&mut old, &path, |path| OptimError::MissingState { path })?;
            singles.push(Single {
                path,
                hyper,
                lr: hyper.lr * lr_factor,
                param,
                grad,
                moments,
            });
        }
        let mut params = BTreeMap::new();
        let mut moments = BTreeMap::new();
        for (path, param, after) in step_all(singles) {
            params.insert(path.clone(), param);
            moments.insert(path, after);
        }
        Ok((params, AdamWState { moments }, report))
    }

    /// What [`Self::init`] refuses.
    pub(crate) fn check_specs(
        &self,
        params: &BTreeMap<String, ParamSpec>,
    ) -> Result<(), OptimError> {
        check_specs(params, &self.patterns)
    }

    fn check_step<B: Backend>(
        &self,
        state: &AdamWState<B>,
        params: &BTreeMap<String, Tensor<B, 1>>,
        grads: &BTreeMap<String, Tensor<B, 1>>,
    ) -> Result<(), OptimError> {
        check_step(params, grads, &state.moments, |moments| {
            [&moments.exp_avg, &moments.exp_avg_sq]
                .into_iter()
                .chain(&moments.max_exp_avg_sq)
        })?;
        state.moments.iter().try_for_each(|(path, moments)| {
            let found = moments.max_exp_avg_sq.is_some();
            check_amsgrad(path, self.hyper(path).amsgrad, found)
        })
    }
}

pub(crate) fn check_amsgrad(path: &str, expected: bool, found: bool) -> Result<(), OptimError> {
    let name = |there: bool| {
        if there {
            "a tensor (amsgrad on)"
        } else {
            "none (amsgrad off)"
        }
    };
    if expected == found {
        return Ok(());
    }
    Err(OptimError::AmsgradMismatch {
        path: path.to_string(),
        expected: name(expected),
        found: name(found),
    })
}
