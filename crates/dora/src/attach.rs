use std::collections::BTreeSet;

use burn::tensor::backend::Backend;
use dacapo_ops::Precision;
use dacapo_rng::Stream;
use wildmatch::WildMatch;

use crate::{DoraConfig, DoraError, DoraTargets};

/// Attaches a new adapter to every layer whose path matches one of `patterns`, and
/// returns the paths of those layers: first the linear layers, then embeddings,
/// convolutions and the parts of fused layers, each in the model's order.
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
/// [`DoraLinear::attach`](crate::DoraLinear::attach) and its like. All but
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

    let mut survey = Survey::default();
    let mut see = |path: &str, check: &dyn Fn() -> Result<(), DoraError>| {
        let checked = if matches(path) { check() } else { Ok(()) };
        survey.add(path, checked)
    };
    let model = model.map_linears(&mut |path, layer| {
        see(path, &|| layer.check_attachable(config, path))?;
        Ok(layer)
    })?;
    let model = model.map_embeddings(&mut |path, layer| {
        see(path, &|| layer.check_attachable(config, path))?;
        Ok(layer)
    })?;
    let model = model.map_convs(&mut |path, layer| {
        see(path, &|| layer.check_attachable(config, path))?;
        Ok(layer)
    })?;
    let model = model.map_fused(&mut |path, layer| {
        for part in layer.parts() {
            let path = part.path(path);
            see(&path, &|| {
                part.check_attachable(config, &path, layer.d_in())
            })?;
        }
        Ok(layer)
    })?;
    let Survey {
        available,
        unattachable,
        ..
    } = survey;
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

    let attached = available.into_iter().filter(|path| matches(path)).collect();
    let model = model.map_linears(&mut |path, layer| match matches(path) {
        true => layer.attach(config, path, stream),
        false => Ok(layer),
    })?;
    let model = model.map_embeddings(&mut |path, layer| match matches(path) {
        true => layer.attach(config, path, stream),
        false => Ok(layer),
    })?;
    let model = model.map_convs(&mut |path, layer| match matches(path) {
        true => layer.attach(config, path, stream),
        false => Ok(layer),
    })?;
    let model = model.map_fused(&mut |path, mut layer| {
        for (name, path) in layer.part_paths(path) {
            if matches(&path) {
                layer = layer.attach(&name, config, &path, stream)?;
            }
        }
        Ok(layer)
    })?;
    Ok((model, attached))
}

/// A model's layers, before anything is attached.
#[derive(Default)]
struct Survey {
    available: Vec<String>,
    seen: BTreeSet<String>,
    /// Why the first layer that cannot be attached to cannot.
    unattachable: Option<DoraError>,
}

impl Survey {
    fn add(&mut self, path: &str, checked: Result<(), DoraError>) -> Result<(), DoraError> {
        if !self.seen.insert(path.to_owned()) {
            return Err(DoraError::DuplicatePath {
                path: path.to_owned(),
            });
        }
        self.available.push(path.to_owned());
        self.unattachable = self.unattachable.take().or(checked.err());
        Ok(())
    }
}

/// Merges every adapted layer ([`DoraLinear::merge`](crate::DoraLinear::merge) and
/// its like).
///
/// # Errors
/// Those of the model's `map_linears` and its like; merging itself cannot fail.
pub fn merge_all<B: Backend, M: DoraTargets<B>>(model: M) -> Result<M, DoraError> {
    model
        .map_linears(&mut |_, layer| Ok(layer.merge()))?
        .map_embeddings(&mut |_, layer| Ok(layer.merge()))?
        .map_convs(&mut |_, layer| Ok(layer.merge()))?
        .map_fused(&mut |_, layer| Ok(layer.merge()))
}

/// Unmerges every layer ([`DoraLinear::unmerge`](crate::DoraLinear::unmerge) and its
/// like).
///
/// # Errors
/// Those of the model's `map_linears` and its like; unmerging itself cannot fail.
pub fn unmerge_all<B: Backend, M: DoraTargets<B>>(model: M) -> Result<M, DoraError> {
    model
        .map_linears(&mut |_, layer| Ok(layer.unmerge()))?
        .map_embeddings(&mut |_, layer| Ok(layer.unmerge()))?
        .map_convs(&mut |_, layer| Ok(layer.unmerge()))?
        .map_fused(&mut |_, layer| Ok(layer.unmerge()))
}

/// Gives the matrix products of every layer the same precision
/// ([`DoraLinear::with_precision`](crate::DoraLinear::with_precision) and its like);
/// those that a model multiplies itself are its own. Convolutions are Burn's, and
/// stay as they are.
///
/// # Errors
/// Those of the model's `map_linears` and its like; setting it cannot fail.
pub fn set_precision<B: Backend, M: DoraTargets<B>>(
    model: M,
    precision: Precision,
) -> Result<M, DoraError> {
    model
        .map_linears(&mut |_, layer| Ok(layer.with_precision(precision)))?
        .map_embeddings(&mut |_, layer| Ok(layer.with_precision(precision)))?
        .map_fused(&mut |_, layer| Ok(layer.with_precision(precision)))
}
