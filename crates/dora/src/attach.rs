use std::collections::BTreeSet;

use burn::tensor::backend::Backend;
use dacapo_ops::Precision;
use dacapo_rng::Stream;
use wildmatch::WildMatch;

use crate::{DoraConfig, DoraError, DoraTargets};

/// Attaches a new adapter to every linear layer whose path matches one of
/// `patterns`, in the model's order, and returns the paths of those layers.
///
/// In a pattern `*` stands for any characters, dots included, and `?` for one:
/// `*.attn.out_proj`, `blocks.3.*`. A layer that several patterns match is
/// adapted once. The stream must stand at the same position whenever the same
/// adapters are to come out.
///
/// # Errors
/// [`DoraError::NoPattern`], or [`DoraError::UnmatchedPattern`] for the first
/// pattern that matches nothing, both listing the model's layers;
/// [`DoraError::DuplicatePath`]; and those of
/// [`DoraLinear::attach`](crate::DoraLinear::attach). All but
/// [`DoraError::NonFiniteNorm`] are found before anything is drawn.
pub fn attach_matching<B: Backend, M: DoraTargets<B>>(
    model: M,
    patterns: &[String],
    config: &DoraConfig,
    stream: &mut Stream,
) -> Result<(M, Vec<String>), DoraError> {
    config.validate()?;
    let matchers: Vec<_> = patterns.iter().map(|p| WildMatch::new(p)).collect();
    let matches = |path: &str| matchers.iter().any(|m| m.matches(path));

    let mut available = Vec::new();
    let mut seen = BTreeSet::new();
    let mut unattachable = None;
    let model = model.map_linears(&mut |path, layer| {
        if !seen.insert(path.to_owned()) {
            return Err(DoraError::DuplicatePath {
                path: path.to_owned(),
            });
        }
        available.push(path.to_owned());
        if unattachable.is_none() && matches(path) {
            unattachable = layer.check_attachable(config, path).err();
        }
        Ok(layer)
    })?;
    if patterns.is_empty() {
        return Err(DoraError::NoPattern { available });
    }
    let unmatched = matchers
        .iter()
        .position(|m| !available.iter().any(|path| m.matches(path)));
    if let Some(index) = unmatched {
        return Err(DoraError::UnmatchedPattern {
            pattern: patterns[index].clone(),
            available,
        });
    }
    if let Some(error) = unattachable {
        return Err(error);
    }

    let mut attached = Vec::new();
    let model = model.map_linears(&mut |path, layer| {
        if !matches(path) {
            return Ok(layer);
        }
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
