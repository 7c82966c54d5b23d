//! What every optimizer checks of parameters, gradients and its state.

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor, backend::Backend};

use crate::{OptimError, ParamSpec, patterns::Patterns, patterns::join};

/// Refuses parameters that no step can be taken for, and groups without any.
pub(crate) fn check_specs(
    params: &BTreeMap<String, ParamSpec>,
    patterns: &Patterns,
) -> Result<(), OptimError> {
    if params.is_empty() {
        return Err(OptimError::NoParameters);
    }
    for (path, spec) in params {
        if spec.is_empty() {
            return Err(OptimError::EmptyParameter {
                path: path.clone(),
                shape: spec.shape.clone(),
            });
        }
        if !matches!(spec.dtype, DType::F32 | DType::F64) {
            return Err(OptimError::UnsupportedDType {
                path: path.clone(),
                found: format!("{:?}", spec.dtype),
            });
        }
    }
    patterns.check(params)
}

/// Refuses parameters, gradients and states (of which `tensors` gives the tensors) that do not
/// belong together.
pub(crate) fn check_step<'a, B: Backend, S: 'a, I: Iterator<Item = &'a Tensor<B, 1>>>(
    params: &BTreeMap<String, Tensor<B, 1>>,
    grads: &BTreeMap<String, Tensor<B, 1>>,
    states: &'a BTreeMap<String, S>,
    tensors: impl Fn(&'a S) -> I,
) -> Result<(), OptimError> {
    if params.is_empty() {
        return Err(OptimError::NoParameters);
    }
    if let Some(path) = grads.keys().find(|path| !params.contains_key(*path)) {
        return Err(OptimError::UnexpectedGradient {
            path: path.clone(),
            available: join(params.keys()),
        });
    }
    if let Some(path) = states.keys().find(|path| !params.contains_key(*path)) {
        return Err(OptimError::UnexpectedState { path: path.clone() });
    }
    for (path, param) in params {
        let grad = grads
            .get(path)
            .ok_or_else(|| OptimError::MissingGradient { path: path.clone() })?;
        let state = states
            .get(path)
            .ok_or_else(|| OptimError::MissingState { path: path.clone() })?;
        same_kind(path, "gradient", param, grad)?;
        for tensor in tensors(state) {
            same_kind(path, "moments", param, tensor)?;
        }
    }
    Ok(())
}

/// Removes a key that the checks have already seen.
pub(crate) fn take<V>(
    map: &mut BTreeMap<String, V>,
    path: &str,
    error: impl Fn(String) -> OptimError,
) -> Result<V, OptimError> {
    map.remove(path).ok_or_else(|| error(path.to_string()))
}

fn same_kind<B: Backend>(
    path: &str,
    what: &'static str,
    param: &Tensor<B, 1>,
    other: &Tensor<B, 1>,
) -> Result<(), OptimError> {
    let ([expected], [found]) = (param.dims(), other.dims());
    if expected != found {
        return Err(OptimError::LengthMismatch {
            path: path.to_string(),
            what,
            expected,
            found,
        });
    }
    if param.dtype() != other.dtype() {
        return Err(OptimError::DTypeMismatch {
            path: path.to_string(),
            what,
            expected: format!("{:?}", param.dtype()),
            found: format!("{:?}", other.dtype()),
        });
    }
    Ok(())
}
