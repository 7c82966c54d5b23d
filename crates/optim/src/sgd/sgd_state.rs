//! The state of SGD.

use std::collections::BTreeMap;

use burn::tensor::backend::Backend;

use super::sgd::check_buffer;
use crate::{
    Momentum, MomentumRecord, OptimError, ParamSpec, Sgd, SgdConfig, SgdRecord,
    record_tensors::{check_paths, leaf, load, next, read},
};

/// The momentum buffer of every parameter, by stable path. A value: cloning shares the
/// tensors.
#[derive(Debug, Clone)]
pub struct SgdState<B: Backend> {
    pub(crate) momenta: BTreeMap<String, Momentum<B>>,
}

impl<B: Backend> SgdState<B> {
    /// The momenta by parameter path.
    pub fn momenta(&self) -> &BTreeMap<String, Momentum<B>> {
        &self.momenta
    }

    /// The state as data, bit for bit, beside the configuration of the
    /// optimizer it belongs to.
    ///
    /// # Errors
    /// [`OptimError::Device`] if the tensors cannot be read.
    pub fn to_record(&self, sgd: &Sgd) -> Result<SgdRecord, OptimError> {
        let tensors = self.momenta.values().flat_map(|momentum| {
            let buffer = momentum.momentum_buffer.iter();
            buffer.map(|tensor| (&momentum.spec.shape, tensor))
        });
        let mut data = read(tensors)?;
        let mut params = BTreeMap::new();
        for (path, momentum) in &self.momenta {
            let buffer = momentum.momentum_buffer.as_ref();
            let record = MomentumRecord {
                step: momentum.step,
                momentum_buffer: buffer.map(|_| next(&mut data, path)).transpose()?,
            };
            params.insert(path.clone(), record);
        }
        Ok(SgdRecord {
            config: sgd.config().clone(),
            params,
        })
    }

    /// The state a record holds, for a model that has the `expected` parameters
    /// and a run that is configured with `config`.
    ///
    /// # Errors
    /// Fails closed: another configuration (naming the first key that differs), a missing or
    /// extra parameter, a tensor of another shape, dtype or byte count, a buffer that step and
    /// momentum do not ask for or miss; and what [`Sgd::new`] and [`Sgd::init`] refuse.
    pub fn from_record(
        record: &SgdRecord,
        expected: &BTreeMap<String, ParamSpec>,
        config: &SgdConfig,
        device: &B::Device,
    ) -> Result<Self, OptimError> {
        let sgd = Sgd::new(config.clone())?;
        config.check_same_as(&record.config)?;
        sgd.check_specs(expected)?;
        check_paths(&record.params, expected)?;
        let mut momenta = BTreeMap::new();
        for ((path, spec), stored) in expected.iter().zip(record.params.values()) {
            let (at, buffer) = (leaf(path), stored.momentum_buffer.as_ref());
            check_buffer(&at, &sgd.hyper(path), stored.step, buffer.is_some())?;
            let load = |data| load::<B>(&format!("{at}.momentum_buffer"), data, spec, device);
            let loaded = Momentum {
                step: stored.step,
                spec: spec.clone(),
                momentum_buffer: buffer.map(load).transpose()?,
            };
            momenta.insert(path.clone(), loaded);
        }
        Ok(Self { momenta })
    }
}
