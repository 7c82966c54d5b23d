use std::collections::{BTreeMap, BTreeSet};

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
    /// All but the active one.
    held: BTreeMap<String, Adapters<B>>,
    active: Option<Active>,
}

/// The adapter that is in the model.
#[derive(Debug, Clone)]
struct Active {
    name: String,
    /// Of its layers, in alphabetical order.
    paths: Vec<String>,
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
            held: BTreeMap::new(),
            active: None,
        }
    }

    /// Adds adapters, which [`take_adapters`] gives, under a name. None becomes active.
    ///
    /// # Errors
    /// [`DoraError::NameTaken`], or [`DoraError::NoAdapters`] if they are for no layer.
    pub fn insert(&mut self, name: &str, adapters: Adapters<B>) -> Result<(), DoraError> {
        let name = name.to_owned();
        if self.names().any(|taken| taken == name) {
            return Err(DoraError::NameTaken { name });
        }
        if adapters.is_empty() {
            return Err(DoraError::NoAdapters { name });
        }
        self.held.insert(name, adapters);
        Ok(())
    }

    /// All names, the active one among them, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let held = self.held.keys().map(String::as_str);
        let names: BTreeSet<&str> = held.chain(self.active()).collect();
        names.into_iter()
    }

    /// The name of the adapter that is in the model.
    pub fn active(&self) -> Option<&str> {
        self.active.as_ref().map(|active| active.name.as_str())
    }

    /// The model with the adapter `name` in place of the active one, which comes back
    /// here as the model has it. The model as it is if `name` is the active one.
    ///
    /// # Errors
    /// [`DoraError::UnknownAdapter`]; those of [`deactivate`](Self::deactivate); those
    /// of [`put_adapters`], after which no adapter is active and all are here. The
    /// model is gone then: a clone, which shares its tensors, costs nothing.
    pub fn activate<M: DoraTargets<B>>(&mut self, name: &str, model: M) -> Result<M, DoraError> {
        if self.active() == Some(name) {
            return Ok(model);
        }
        // Before the model loses what it has.
        self.held(name)?;
        let model = self.deactivate(model)?;
        let adapters = self.held(name)?;
        let paths = adapters.paths().map(str::to_owned).collect();
        let model = put_adapters(model, adapters)?;
        self.held.remove(name);
        self.active = Some(Active {
            name: name.to_owned(),
            paths,
        });
        Ok(model)
    }

    fn held(&self, name: &str) -> Result<&Adapters<B>, DoraError> {
        self.held
            .get(name)
            .ok_or_else(|| DoraError::UnknownAdapter {
                name: name.to_owned(),
                available: self.names().map(str::to_owned).collect(),
            })
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
        let expected = self.active.as_ref().map(|active| active.paths.clone());
        let expected = expected.unwrap_or_default();
        if found != expected {
            return Err(DoraError::OtherLayers {
                active: self.active().map(str::to_owned),
                expected,
                found,
            });
        }
        if let Some(active) = self.active.take() {
            self.held.insert(active.name, taken);
        }
        Ok(model)
    }
}
