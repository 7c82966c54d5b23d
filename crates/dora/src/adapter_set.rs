use std::collections::BTreeMap;

use burn::tensor::backend::Backend;

use crate::{Adapters, DoraError, DoraTargets, put_adapters, take_adapters};

/// Several named adapters for one model, of which at most one is active.
///
/// The active one is in the model, as any adapter is: records, training and
/// parameter paths know nothing of the set. The others are here. Switching moves
/// handles of tensors between the two: what was trained comes back as it was left,
/// to the bit, and base weights are neither copied nor changed.
///
/// The layers of the adapters may differ. An optimizer's state belongs to the
/// adapter with which it came about.
///
/// ```
/// # use burn_flex::{Flex, FlexDevice};
/// # use dacapo_dora::{AdapterSet, DoraConfig, DoraLinear, Flavour, attach_matching, take_adapters};
/// # use dacapo_rng::RngHub;
/// # let mut hub = RngHub::new(1, &["init"]);
/// # let stream = hub.stream("init")?;
/// # let config = DoraConfig { flavour: Flavour::ClipHba, ..DoraConfig::peft(2, 4.0) };
/// # let mut model = vec![DoraLinear::<Flex>::init(4, 4, true, stream, &FlexDevice)];
/// let mut set = AdapterSet::new();
/// for name in ["dogs", "cats"] {
///     let (attached, _) = attach_matching(model, &["*".to_owned()], &config, stream)?;
///     let (bare, adapters) = take_adapters(attached)?;
///     set.insert(name, adapters)?;
///     model = bare;
/// }
/// let model = set.activate("cats", model)?;
/// let model = set.activate("dogs", model)?;
/// assert_eq!(set.active(), Some("dogs"));
/// assert_eq!(set.names().collect::<Vec<_>>(), ["cats", "dogs"]);
/// # assert!(model[0].adapter.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct AdapterSet<B: Backend> {
    adapters: BTreeMap<String, Place<B>>,
}

/// Where an adapter is.
#[derive(Debug, Clone)]
enum Place<B: Backend> {
    Here(Adapters<B>),
    /// On the layers at these paths.
    InModel(Vec<String>),
}

impl<B: Backend> Default for AdapterSet<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Backend> AdapterSet<B> {
    /// A set without adapters.
    pub fn new() -> Self {
        Self {
            adapters: BTreeMap::new(),
        }
    }

    /// Adds adapters, which [`take_adapters`] gives, under a name. None becomes active.
    ///
    /// # Errors
    /// [`DoraError::NameTaken`], or [`DoraError::NoAdapters`] if they are for no layer.
    pub fn insert(&mut self, name: &str, adapters: Adapters<B>) -> Result<(), DoraError> {
        let name = name.to_owned();
        if self.adapters.contains_key(&name) {
            return Err(DoraError::NameTaken { name });
        }
        if adapters.is_empty() {
            return Err(DoraError::NoAdapters { name });
        }
        self.adapters.insert(name, Place::Here(adapters));
        Ok(())
    }

    /// All names, the active one among them, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.adapters.keys().map(String::as_str)
    }

    /// The name of the adapter that is in the model.
    pub fn active(&self) -> Option<&str> {
        let mut places = self.adapters.iter();
        let (name, _) = places.find(|(_, place)| matches!(place, Place::InModel(_)))?;
        Some(name)
    }

    /// The model with the adapter `name` in place of the active one, which comes back
    /// here as the model has it. The model as it is if `name` is the active one.
    ///
    /// # Errors
    /// [`DoraError::UnknownAdapter`]; those of [`deactivate`](Self::deactivate); those
    /// of [`put_adapters`], after which no adapter is active and all are here. The
    /// model is gone then: a clone, which shares its tensors, costs nothing.
    pub fn activate<M: DoraTargets<B>>(&mut self, name: &str, model: M) -> Result<M, DoraError> {
        if !self.adapters.contains_key(name) {
            return Err(DoraError::UnknownAdapter {
                name: name.to_owned(),
                available: self.names().map(str::to_owned).collect(),
            });
        }
        if self.active() == Some(name) {
            return Ok(model);
        }
        let model = self.deactivate(model)?;
        let Some(place) = self.adapters.get_mut(name) else {
            unreachable!("asked above")
        };
        let Place::Here(adapters) = place else {
            unreachable!("none is in the model")
        };
        let model = put_adapters(model, adapters)?;
        *place = Place::InModel(adapters.paths().map(str::to_owned).collect());
        Ok(model)
    }

    /// The model without adapters; the active one, if any, comes back here as the model
    /// has it.
    ///
    /// # Errors
    /// [`DoraError::OtherLayers`] if the model has adapters on other layers than those
    /// of the active one, so that it is another model or was changed past the set.
    /// The set is as before then.
    pub fn deactivate<M: DoraTargets<B>>(&mut self, model: M) -> Result<M, DoraError> {
        let (model, taken) = take_adapters(model)?;
        let found: Vec<String> = taken.paths().map(str::to_owned).collect();
        let active = self.active().map(str::to_owned);
        let place = active.as_ref().and_then(|name| self.adapters.get_mut(name));
        let expected = match &place {
            Some(Place::InModel(paths)) => paths.as_slice(),
            _ => &[],
        };
        if found != expected {
            return Err(DoraError::OtherLayers {
                expected: expected.to_vec(),
                found,
                active,
            });
        }
        if let Some(place) = place {
            *place = Place::Here(taken);
        }
        Ok(model)
    }
}
