//! The state of the optimizer.

use std::collections::BTreeMap;

use burn::tensor::{TensorData, backend::Backend};

use super::adamw::check_amsgrad;
use crate::{
    AdamW, AdamWConfig, AdamWRecord, Moments, MomentsRecord, OptimError, ParamSpec,
    record_tensors::{check_paths, leaf, load, next, read},
};

/// The moments of every parameter, by stable path. A value: cloning shares the
/// tensors.
#[derive(Debug, Clone)]
pub struct AdamWState<B: Backend> {
    pub(crate) moments: BTreeMap<String, Moments<B>>,
}

impl<B: Backend> AdamWState<B> {
    /// The moments by parameter path.
    pub fn moments(&self) -> &BTreeMap<String, Moments<B>> {
        &self.moments
    }

    /// Shape and dtype of every parameter.
    pub fn specs(&self) -> BTreeMap<String, ParamSpec> {
        self.moments
            .iter()
            .map(|(path, moments)| {
                let spec = ParamSpec::new(moments.shape.clone(), moments.exp_avg.dtype());
                (path.clone(), spec)
            })
            .collect()
    }

    /// The state as data, bit for bit, beside the configuration of the
    /// optimizer it belongs to.
    ///
    /// # Errors
    /// [`OptimError::Device`] if the tensors cannot be read.
    pub fn to_record(&self, adamw: &AdamW) -> Result<AdamWRecord, OptimError> {
        let tensors = self.moments.values().flat_map(|moments| {
            [&moments.exp_avg, &moments.exp_avg_sq]
                .into_iter()
                .chain(&moments.max_exp_avg_sq)
                .map(|tensor| (&moments.shape, tensor))
        });
        let mut data = read(tensors)?;
        let mut params = BTreeMap::new();
        for (path, moments) in &self.moments {
            let mut next = || next(&mut data, path);
            let record = MomentsRecord {
                step: moments.step,
                exp_avg: next()?,
                exp_avg_sq: next()?,
                max_exp_avg_sq: moments
                    .max_exp_avg_sq
                    .as_ref()
                    .map(|_| next())
                    .transpose()?,
            };
            params.insert(path.clone(), record);
        }
        Ok(AdamWRecord {
            config: adamw.config().clone(),
            params,
        })
    }

    /// The state a record holds, for a model that has the `expected` parameters
    /// and a run that is configured with `config`.
    ///
    /// # Errors
    /// Fails closed: another configuration (naming the first key that differs),
    /// a missing or extra parameter, a tensor of another shape, dtype or byte
    /// count, a `max_exp_avg_sq` that amsgrad does not ask for or misses; and
    /// what [`AdamW::new`] and [`AdamW::init`] refuse.
    pub fn from_record(
        record: &AdamWRecord,
        expected: &BTreeMap<String, ParamSpec>,
        config: &AdamWConfig,
        device: &B::Device,
    ) -> Result<Self, OptimError> {
        let adamw = AdamW::new(config.clone())?;
        config.check_same_as(&record.config)?;
        adamw.check_specs(expected)?;
        check_paths(&record.params, expected)?;
        let mut moments = BTreeMap::new();
        for ((path, spec), stored) in expected.iter().zip(record.params.values()) {
            check_amsgrad(
                &leaf(path),
                adamw.hyper(path).amsgrad,
                stored.max_exp_avg_sq.is_some(),
            )?;
            let load = |name: &str, data: &TensorData| {
                load::<B>(&format!("{}.{name}", leaf(path)), data, spec, device)
            };
            let loaded = Moments {
                step: stored.step,
                shape: spec.shape.clone(),
                exp_avg: load("exp_avg", &stored.exp_avg)?,
                exp_avg_sq: load("exp_avg_sq", &stored.exp_avg_sq)?,
                max_exp_avg_sq: stored
                    .max_exp_avg_sq
                    .as_ref()
                    .map(|data| load("max_exp_avg_sq", data))
                    .transpose()?,
            };
            moments.insert(path.clone(), loaded);
        }
        Ok(Self { moments })
    }
}
