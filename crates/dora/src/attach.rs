use std::collections::BTreeSet;

use burn::tensor::backend::Backend;
use dacapo_ops::Precision;
use dacapo_rng::Stream;

use crate::{AttachPlan, DoraConfig, DoraError, DoraTargets};

/// Attaches a new adapter to every linear layer whose path matches one of
/// `patterns`: [`attach`] with one kind of adapter for all of them.
///
/// # Errors
/// Those of [`attach`].
pub fn attach_matching<B: Backend, M: DoraTargets<B>>(
    model: M,
    patterns: &[String],
    config: &DoraConfig,
    stream: &mut Stream,
) -> Result<(M, Vec<String>), DoraError> {
    attach(model, &AttachPlan::new(patterns, config), stream)
}

/// Attaches a new adapter to every linear layer that `plan` names, in the model's
/// order, and returns the paths of those layers.
///
/// The stream must stand at the same position whenever the same adapters are to
/// come out.
///
/// # Errors
/// Those of [`AttachPlan::configs`]; [`DoraError::DuplicatePath`]; and those of
/// [`DoraLinear::attach`](crate::DoraLinear::attach). All but
/// [`DoraError::NonFiniteNorm`] are found before anything is drawn.
pub fn attach<B: Backend, M: DoraTargets<B>>(
    model: M,
    plan: &AttachPlan,
    stream: &mut Stream,
) -> Result<(M, Vec<String>), DoraError> {
    let mut layers = Vec::new();
    let mut seen = BTreeSet::new();
    let model = model.map_linears(&mut |path, layer| {
        if !seen.insert(path.to_owned()) {
            return Err(DoraError::DuplicatePath {
                path: path.to_owned(),
            });
        }
        layers.push(path.to_owned());
        Ok(layer)
    })?;
    let configs = plan.configs(&layers)?;
    let mut next = configs.iter();
    let model = model.map_linears(&mut |path, layer| {
        if let Some(config) = next.next().and_then(Option::as_ref) {
            layer.check_attachable(config, path)?;
        }
        Ok(layer)
    })?;

    let mut next = configs.iter();
    let mut attached = Vec::new();
    let model = model.map_linears(&mut |path, layer| {
        let Some(config) = next.next().and_then(Option::as_ref) else {
            return Ok(layer);
        };
        attached.push(path.to_owned());
        layer.attach(config, path, stream)
    })?;
    Ok((model, attached))
}

/// Merges every adapted layer ([`DoraLinear::merge`](crate::DoraLinear::merge)).
///
/// # Errors
/// Those of the model's `map_linears`; merging itself cannot fail.
pub fn merge_all<B: Backend, M: DoraTargets<B>>(model: M) -> Result<M, DoraError> {
    model.map_linears(&mut |_, layer| Ok(layer.merge()))
}

/// Unmerges every layer ([`DoraLinear::unmerge`](crate::DoraLinear::unmerge)).
///
/// # Errors
/// Those of the model's `map_linears`; unmerging itself cannot fail.
pub fn unmerge_all<B: Backend, M: DoraTargets<B>>(model: M) -> Result<M, DoraError> {
    model.map_linears(&mut |_, layer| Ok(layer.unmerge()))
}

/// Gives the matrix products of every linear layer the same precision
/// ([`DoraLinear::with_precision`](crate::DoraLinear::with_precision)); those that a model
/// multiplies itself are its own.
///
/// # Errors
/// Those of the model's `map_linears`; setting it cannot fail.
pub fn set_precision<B: Backend, M: DoraTargets<B>>(
    model: M,
    precision: Precision,
) -> Result<M, DoraError> {
    model.map_linears(&mut |_, layer| Ok(layer.with_precision(precision)))
}
