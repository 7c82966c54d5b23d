//! The stored state of a run's optimizer.

use std::fmt;

use burn::record::{PrecisionSettings, Record};
use burn::tensor::backend::Backend;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, MapAccess, Visitor},
};

use crate::{AdamWRecord, OptimError, OptimizerConfig, SgdRecord, written::Written};

/// [`crate::Optimizer`] as data: the record of the optimizer in use, whose `config` says which.
#[derive(Debug, Clone, PartialEq)]
pub enum OptimizerRecord {
    /// AdamW's.
    AdamW(AdamWRecord),
    /// SGD's.
    Sgd(SgdRecord),
}

impl OptimizerRecord {
    /// The configuration that the state was made with.
    pub fn config(&self) -> OptimizerConfig {
        match self {
            Self::AdamW(record) => record.config.clone().into(),
            Self::Sgd(record) => record.config.clone().into(),
        }
    }

    /// How many steps each parameter has been through, by path.
    pub fn steps(&self) -> impl Iterator<Item = (&String, u64)> {
        let (adamw, sgd) = match self {
            Self::AdamW(record) => (Some(&record.params), None),
            Self::Sgd(record) => (None, Some(&record.params)),
        };
        let adamw = adamw.into_iter().flatten();
        let sgd = sgd.into_iter().flatten();
        adamw
            .map(|(path, state)| (path, state.step))
            .chain(sgd.map(|(path, state)| (path, state.step)))
    }

    /// AdamW's record.
    ///
    /// # Errors
    /// [`OptimError::OtherOptimizer`] if it is SGD's.
    pub fn adamw(&self) -> Result<&AdamWRecord, OptimError> {
        match self {
            Self::AdamW(record) => Ok(record),
            Self::Sgd(_) => Err(OptimError::OtherOptimizer {
                expected: "adamw",
                found: "sgd",
            }),
        }
    }

    /// SGD's record.
    ///
    /// # Errors
    /// [`OptimError::OtherOptimizer`] if it is AdamW's.
    pub fn sgd(&self) -> Result<&SgdRecord, OptimError> {
        match self {
            Self::Sgd(record) => Ok(record),
            Self::AdamW(_) => Err(OptimError::OtherOptimizer {
                expected: "sgd",
                found: "adamw",
            }),
        }
    }
}

impl Serialize for OptimizerRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AdamW(record) => record.serialize(serializer),
            Self::Sgd(record) => record.serialize(serializer),
        }
    }
}

// By hand: an untagged enum would forget where in the record an error is.
impl<'de> Deserialize<'de> for OptimizerRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const FIELDS: &[&str] = &["config", "params"];

        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = OptimizerRecord;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an optimizer's configuration and state")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut config = None;
                let mut record = None;
                while let Some(field) = map.next_key::<String>()? {
                    match field.as_str() {
                        "config" if config.is_none() && record.is_none() => {
                            config = Some(map.next_value_seed(Complete)?);
                        }
                        "params" if record.is_none() => {
                            // It comes first and says what the parameters' states are.
                            record = Some(match config.take() {
                                Some(OptimizerConfig::AdamW(config)) => {
                                    let params = map.next_value()?;
                                    OptimizerRecord::AdamW(AdamWRecord { config, params })
                                }
                                Some(OptimizerConfig::Sgd(config)) => {
                                    let params = map.next_value()?;
                                    OptimizerRecord::Sgd(SgdRecord { config, params })
                                }
                                None => return Err(A::Error::missing_field("config")),
                            });
                        }
                        "config" => return Err(A::Error::duplicate_field("config")),
                        "params" => return Err(A::Error::duplicate_field("params")),
                        other => return Err(A::Error::unknown_field(other, FIELDS)),
                    }
                }
                record.ok_or_else(|| {
                    A::Error::missing_field(if config.is_some() { "params" } else { "config" })
                })
            }
        }

        deserializer.deserialize_struct("OptimizerRecord", FIELDS, Fields)
    }
}

/// A configuration with every field present.
struct Complete;

impl<'de> DeserializeSeed<'de> for Complete {
    type Value = OptimizerConfig;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        Written::deserialize(deserializer)?.into_config(true)
    }
}

impl<B: Backend> Record<B> for OptimizerRecord {
    type Item<S: PrecisionSettings> = Self;

    fn into_item<S: PrecisionSettings>(self) -> Self::Item<S> {
        self
    }

    fn from_item<S: PrecisionSettings>(item: Self::Item<S>, _device: &B::Device) -> Self {
        item
    }
}
