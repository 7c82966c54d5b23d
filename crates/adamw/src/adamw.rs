//! The optimizer.

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor, backend::Backend};
use wildmatch::WildMatch;

use crate::{
    AdamWConfig, AdamWError, AdamWState, Hyper, Moments, ParamGroup, ParamSpec, StepReport,
    clip::clip,
    config::non_negative,
    step_all::{Single, step_all},
};

/// AdamW with a checked configuration. It holds no state of its own.
#[derive(Debug, Clone)]
pub struct AdamW {
    config: AdamWConfig,
    patterns: Vec<WildMatch>,
}

impl AdamW {
    /// An optimizer of this configuration.
    ///
    /// # Errors
    /// Those of [`AdamWConfig::validate`].
    pub fn new(config: AdamWConfig) -> Result<Self, AdamWError> {
        config.validate()?;
        let patterns = config
            .groups
            .iter()
            .map(|group| WildMatch::new(&group.pattern))
            .collect();
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
            .iter()
            .position(|pattern| pattern.matches(path))
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
    ) -> Result<AdamWState<B>, AdamWError> {
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
    ) -> Result<(BTreeMap<String, Tensor<B, 1>>, AdamWState<B>, StepReport), AdamWError> {
        non_negative("lr_factor", lr_factor)?;
        self.check_step(&state, &params, &grads)?;
        let (mut grads, report) = clip(&self.config, grads)?;
        let mut old = state.moments;
        let mut singles = Vec::new();
        for (path, param) in params {
            let hyper = self.hyper(&path);
            let grad = take(&mut grads, &path, |path| AdamWError::MissingGradient {
                path,
            })?;
            let moments = take(&mut old, &path, |path| AdamWError::MissingState { path })?;
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
    ) -> Result<(), AdamWError> {
        if params.is_empty() {
            return Err(AdamWError::NoParameters);
        }
        for (path, spec) in params {
            if spec.is_empty() {
                return Err(AdamWError::EmptyParameter {
                    path: path.clone(),
                    shape: spec.shape.clone(),
                });
            }
            if !matches!(spec.dtype, DType::F32 | DType::F64) {
                return Err(AdamWError::UnsupportedDType {
                    path: path.clone(),
                    found: format!("{:?}", spec.dtype),
                });
            }
        }
        for (index, pattern) in self.patterns.iter().enumerate() {
            if !params.keys().any(|path| pattern.matches(path)) {
                return Err(AdamWError::UnmatchedGroup {
                    index,
                    pattern: self.config.groups[index].pattern.clone(),
                    available: join(params.keys()),
                });
            }
        }
        Ok(())
    }

    fn check_step<B: Backend>(
        &self,
        state: &AdamWState<B>,
        params: &BTreeMap<String, Tensor<B, 1>>,
        grads: &BTreeMap<String, Tensor<B, 1>>,
    ) -> Result<(), AdamWError> {
        if params.is_empty() {
            return Err(AdamWError::NoParameters);
        }
        if let Some(path) = grads.keys().find(|path| !params.contains_key(*path)) {
            return Err(AdamWError::UnexpectedGradient {
                path: path.clone(),
                available: join(params.keys()),
            });
        }
        if let Some(path) = state
            .moments
            .keys()
            .find(|path| !params.contains_key(*path))
        {
            return Err(AdamWError::UnexpectedState { path: path.clone() });
        }
        for (path, param) in params {
            let grad = grads
                .get(path)
                .ok_or_else(|| AdamWError::MissingGradient { path: path.clone() })?;
            let moments = state
                .moments
                .get(path)
                .ok_or_else(|| AdamWError::MissingState { path: path.clone() })?;
            same_kind(path, "gradient", param, grad)?;
            let Moments {
                exp_avg,
                exp_avg_sq,
                max_exp_avg_sq,
                ..
            } = moments;
            for moment in [exp_avg, exp_avg_sq].into_iter().chain(max_exp_avg_sq) {
                same_kind(path, "moments", param, moment)?;
            }
            check_amsgrad(path, self.hyper(path).amsgrad, max_exp_avg_sq.is_some())?;
        }
        Ok(())
    }
}

/// Removes a key that the checks have already seen.
fn take<V>(
    map: &mut BTreeMap<String, V>,
    path: &str,
    error: impl Fn(String) -> AdamWError,
) -> Result<V, AdamWError> {
    map.remove(path).ok_or_else(|| error(path.to_string()))
}

pub(crate) fn check_amsgrad(path: &str, expected: bool, found: bool) -> Result<(), AdamWError> {
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
    Err(AdamWError::AmsgradMismatch {
        path: path.to_string(),
        expected: name(expected),
        found: name(found),
    })
}

fn same_kind<B: Backend>(
    path: &str,
    what: &'static str,
    param: &Tensor<B, 1>,
    other: &Tensor<B, 1>,
) -> Result<(), AdamWError> {
    let ([expected], [found]) = (param.dims(), other.dims());
    if expected != found {
        return Err(AdamWError::LengthMismatch {
            path: path.to_string(),
            what,
            expected,
            found,
        });
    }
    if param.dtype() != other.dtype() {
        return Err(AdamWError::DTypeMismatch {
            path: path.to_string(),
            what,
            expected: format!("{:?}", param.dtype()),
            found: format!("{:?}", other.dtype()),
        });
    }
    Ok(())
}

fn join<'a>(paths: impl Iterator<Item = &'a String>) -> String {
    paths.map(String::as_str).collect::<Vec<_>>().join(", ")
}
