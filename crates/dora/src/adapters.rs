use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::backend::Backend;

use crate::{DoraAdapter, DoraConvAdapter, DoraError, DoraTargets};

/// The adapters of a model's layers, apart from the model.
///
/// They are handles of tensors: taking, putting and cloning them copies no number.
/// Each goes with its configuration and the path that keys its dropout.
#[derive(Debug, Clone)]
pub struct Adapters<B: Backend>(BTreeMap<String, LayerAdapter<B>>);

#[derive(Debug, Clone)]
enum LayerAdapter<B: Backend> {
    /// Of a linear layer, an embedding or a part of a fused layer.
    Dense(DoraAdapter<B>),
    Conv(DoraConvAdapter<B>),
}

impl<B: Backend> Adapters<B> {
    /// The paths of their layers, in alphabetical order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, path: &str, adapter: LayerAdapter<B>) -> Result<(), DoraError> {
        match self.0.insert(path.to_owned(), adapter) {
            None => Ok(()),
            Some(_) => Err(DoraError::DuplicatePath {
                path: path.to_owned(),
            }),
        }
    }

    fn dense(&self, path: &str) -> Result<Option<DoraAdapter<B>>, DoraError> {
        match self.0.get(path) {
            None => Ok(None),
            Some(LayerAdapter::Dense(adapter)) => Ok(Some(adapter.clone())),
            Some(LayerAdapter::Conv(_)) => Err(other_kind(path, NO_CONV, CONV)),
        }
    }

    fn conv(&self, path: &str) -> Result<Option<DoraConvAdapter<B>>, DoraError> {
        match self.0.get(path) {
            None => Ok(None),
            Some(LayerAdapter::Conv(adapter)) => Ok(Some(adapter.clone())),
            Some(LayerAdapter::Dense(_)) => Err(other_kind(path, CONV, NO_CONV)),
        }
    }
}

const CONV: &str = "a convolution";
const NO_CONV: &str = "a linear layer or an embedding";

fn other_kind(path: &str, expected: &'static str, found: &'static str) -> DoraError {
    DoraError::OtherKind {
        path: path.to_owned(),
        expected,
        found,
    }
}

/// Takes the adapters off a model. Its base weights are as before them, bit for bit,
/// and stay frozen; merged layers are unmerged.
///
/// # Errors
/// [`DoraError::DuplicatePath`] if the model names two adapted layers alike.
pub fn take_adapters<B: Backend, M: DoraTargets<B>>(
    model: M,
) -> Result<(M, Adapters<B>), DoraError> {
    let mut taken = Adapters(BTreeMap::new());
    let model = model
        .map_linears(&mut |path, layer| {
            if let Some(adapter) = layer.adapter.clone() {
                taken.add(path, LayerAdapter::Dense(adapter))?;
            }
            Ok(layer.detach())
        })?
        .map_embeddings(&mut |path, layer| {
            if let Some(adapter) = layer.adapter.clone() {
                taken.add(path, LayerAdapter::Dense(adapter))?;
            }
            Ok(layer.detach())
        })?
        .map_convs(&mut |path, layer| {
            if let Some(adapter) = layer.adapter.clone() {
                taken.add(path, LayerAdapter::Conv(adapter))?;
            }
            Ok(layer.detach())
        })?
        .map_fused(&mut |path, layer| {
            for part in layer.parts() {
                if let Some(adapter) = part.adapter.clone() {
                    taken.add(&part.path(path), LayerAdapter::Dense(adapter))?;
                }
            }
            Ok(layer.detach())
        })?;
    Ok((model, taken))
}

/// Puts adapters on the layers of a model that are at their paths, as
/// [`DoraLinear::with_adapter`](crate::DoraLinear::with_adapter) and its like; other
/// layers are left alone.
///
/// # Errors
/// [`DoraError::UnknownLayers`] if the model has no layer at some path,
/// [`DoraError::OtherKind`] if one is a convolution and the other is not, and those of
/// `with_adapter`: a layer that has an adapter, or another shape.
pub fn put_adapters<B: Backend, M: DoraTargets<B>>(
    model: M,
    adapters: &Adapters<B>,
) -> Result<M, DoraError> {
    let mut available = BTreeSet::new();
    let model = model
        .map_linears(&mut |path, layer| {
            available.insert(path.to_owned());
            match adapters.dense(path)? {
                Some(adapter) => layer.with_adapter(adapter),
                None => Ok(layer),
            }
        })?
        .map_embeddings(&mut |path, layer| {
            available.insert(path.to_owned());
            match adapters.dense(path)? {
                Some(adapter) => layer.with_adapter(adapter),
                None => Ok(layer),
            }
        })?
        .map_convs(&mut |path, layer| {
            available.insert(path.to_owned());
            match adapters.conv(path)? {
                Some(adapter) => layer.with_adapter(adapter),
                None => Ok(layer),
            }
        })?
        .map_fused(&mut |path, mut layer| {
            for (name, path) in layer.part_paths(path) {
                if let Some(adapter) = adapters.dense(&path)? {
                    layer = layer.with_adapter(&name, adapter)?;
                }
                available.insert(path);
            }
            Ok(layer)
        })?;
    let unknown = adapters.paths().filter(|path| !available.contains(*path));
    let unknown: Vec<String> = unknown.map(str::to_owned).collect();
    match unknown.is_empty() {
        true => Ok(model),
        false => Err(DoraError::UnknownLayers {
            unknown,
            available: available.into_iter().collect(),
        }),
    }
}
