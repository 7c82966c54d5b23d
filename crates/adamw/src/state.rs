//! The state of the optimizer.

use std::collections::BTreeMap;

use burn::tensor::{DType, Shape, Tensor, TensorData, Transaction, backend::Backend};

use crate::{
    AdamW, AdamWConfig, AdamWError, AdamWRecord, Moments, MomentsRecord, ParamSpec,
    adamw::check_amsgrad,
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
    /// [`AdamWError::Device`] if the tensors cannot be read.
    pub fn to_record(&self, adamw: &AdamW) -> Result<AdamWRecord, AdamWError> {
        let tensors = self.moments.values().flat_map(|moments| {
            [&moments.exp_avg, &moments.exp_avg_sq]
                .into_iter()
                .chain(&moments.max_exp_avg_sq)
        });
        let lost = |message: String| AdamWError::Device {
            operation: "reading optimizer moments",
            message,
        };
        let mut data = tensors
            .cloned()
            .fold(Transaction::<B>::default(), Transaction::register)
            .try_execute()
            .map_err(|error| lost(error.to_string()))?
            .into_iter();

        let mut params = BTreeMap::new();
        for (path, moments) in &self.moments {
            // Tensors come back flat; a record holds the parameter's shape.
            let mut next = || {
                data.next()
                    .map(|data| TensorData {
                        shape: Shape::from(moments.shape.clone()),
                        ..data
                    })
                    .ok_or_else(|| lost(format!("no data for `{path}`")))
            };
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
    ) -> Result<Self, AdamWError> {
        let adamw = AdamW::new(config.clone())?;
        config.check_same_as(&record.config)?;
        adamw.check_specs(expected)?;
        if let Some(path) = record
            .params
            .keys()
            .find(|path| !expected.contains_key(*path))
        {
            return Err(AdamWError::RecordUnexpected { path: leaf(path) });
        }
        let mut moments = BTreeMap::new();
        for (path, spec) in expected {
            let stored = record
                .params
                .get(path)
                .ok_or_else(|| AdamWError::RecordMissing { path: leaf(path) })?;
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

/// Path of a parameter inside the record.
fn leaf(path: &str) -> String {
    format!("params.{path}")
}

/// A flat tensor of exactly the stored bits.
fn load<B: Backend>(
    path: &str,
    data: &TensorData,
    spec: &ParamSpec,
    device: &B::Device,
) -> Result<Tensor<B, 1>, AdamWError> {
    let path = path.to_string();
    if data.shape.as_slice() != spec.shape {
        return Err(AdamWError::RecordShape {
            path,
            expected: spec.shape.clone(),
            found: data.shape.to_vec(),
        });
    }
    if data.dtype != spec.dtype {
        return Err(AdamWError::RecordDType {
            path,
            expected: format!("{:?}", spec.dtype),
            found: format!("{:?}", data.dtype),
        });
    }
    let expected = spec.len() * spec.dtype.size();
    if data.bytes.len() != expected {
        return Err(AdamWError::RecordBytes {
            path,
            expected,
            found: data.bytes.len(),
        });
    }
    // Rebuilt from typed elements: bytes that came out of a file need not be
    // aligned for the dtype, and backends cast them in place.
    let flat = match spec.dtype {
        DType::F64 => TensorData::new(elements(&data.bytes, f64::from_ne_bytes), [spec.len()]),
        _ => TensorData::new(elements(&data.bytes, f32::from_ne_bytes), [spec.len()]),
    };
    Ok(Tensor::from_data(flat, (device, spec.dtype)))
}

fn elements<const N: usize, E>(bytes: &[u8], read: impl Fn([u8; N]) -> E) -> Vec<E> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|&chunk| read(chunk))
        .collect()
}
