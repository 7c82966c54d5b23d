use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::backend::Backend;
use dacapo_ops::Precision;
use dacapo_rng::Stream;

use crate::{AttachPlan, DoraConfig, DoraError, DoraTargets};

/// Attaches a new adapter to every layer whose path matches one of
/// `patterns`: [`attach`] with one kind of adapter for all of them.
///
/// # Errors
/// Those of [`attach`].
pub fn attach_matching<B: Backend, M: DoraTargets<B>>(
    model: M,
    patterns: &[impl AsRef<str>],
    config: &DoraConfig,
    stream: &mut Stream,
) -> Result<(M, Vec<String>), DoraError> {
    attach(model, &AttachPlan::new(patterns, config), stream)
}

/// Attaches a new adapter to every layer that `plan` names, and returns the paths of those layers:
/// first the linear layers, then embeddings, convolutions and the parts of fused layers, each in the
/// model's order.
///
/// The stream must stand at the same position whenever the same adapters are to
/// come out.
///
/// # Errors
/// Those of [`AttachPlan::configs`]; [`DoraError::DuplicatePath`]; and those of
/// [`DoraLinear::attach`](crate::DoraLinear::attach) and its like. All but
/// [`DoraError::NonFiniteNorm`] are found before anything is drawn.
pub fn attach<B: Backend, M: DoraTargets<B>>(
    model: M,
    plan: &AttachPlan,
    stream: &mut Stream,
) -> Result<(M, Vec<String>), DoraError> {
    let (model, layers) = layers(model)?;
    let configs = plan.configs(&layers)?;
    let configs: BTreeMap<&str, &DoraConfig> = (layers.iter().zip(&configs))
        .filter_map(|(path, config)| Some((path.as_str(), config.as_ref()?)))
        .collect();
    let config_of = |path: &str| configs.get(path).copied();

    let model = model.map_linears(&mut |path, layer| {
        config_of(path).map_or(Ok(()), |config| layer.check_attachable(config, path))?;
        Ok(layer)
    })?;
    let model = model.map_embeddings(&mut |path, layer| {
        config_of(path).map_or(Ok(()), |config| layer.check_attachable(config, path))?;
        Ok(layer)
    })?;
    let model = model.map_convs(&mut |path, layer| {
        config_of(path).map_or(Ok(()), |config| layer.check_attachable(config, path))?;
        Ok(layer)
    })?;
    let model = model.map_fused(&mut |path, layer| {
        for part in layer.parts() {
            let path = part.path(path);
            if let Some(config) = config_of(&path) {
                part.check_attachable(config, &path, layer.d_in())?;
            }
        }
        Ok(layer)
    })?;

    let model = model.map_linears(&mut |path, layer| match config_of(path) {
        Some(config) => layer.attach(config, path, stream),
        None => Ok(layer),
    })?;
    let model = model.map_embeddings(&mut |path, layer| match config_of(path) {
        Some(config) => layer.attach(config, path, stream),
        None => Ok(layer),
    })?;
    let model = model.map_convs(&mut |path, layer| match config_of(path) {
        Some(config) => layer.attach(config, path, stream),
        None => Ok(layer),
    })?;
    let model = model.map_fused(&mut |path, mut layer| {
        for (name, path) in layer.part_paths(path) {
            if let Some(config) = config_of(&path) {
                layer = layer.attach(&name, config, &path, stream)?;
            }
        }
        Ok(layer)
    })?;
    let attached = layers.iter().filter(|path| config_of(path).is_some());
    Ok((model, attached.cloned().collect()))
}

/// The paths of a model's layers, in the order in which they are attached to.
fn layers<B: Backend, M: DoraTargets<B>>(model: M) -> Result<(M, Vec<String>), DoraError> {
    let mut layers = Vec::new();
    let mut seen = BTreeSet::new();
    let mut see = |path: &str| {
        if !seen.insert(path.to_owned()) {
            return Err(DoraError::DuplicatePath {
                path: path.to_owned(),
            });
        }
        layers.push(path.to_owned());
        Ok(())
    };
    let model = model
        .map_linears(&mut |path, layer| see(path).map(|()| layer))?
        .map_embeddings(&mut |path, layer| see(path).map(|()| layer))?
        .map_convs(&mut |path, layer| see(path).map(|()| layer))?
        .map_fused(&mut |path, layer| {
            layer
                .part_paths(path)
                .iter()
                .try_for_each(|(_, path)| see(path))?;
            Ok(layer)
        })?;
    Ok((model, layers))
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
