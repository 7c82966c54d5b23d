//! Configuration of a run's optimizer.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{AdamWConfig, OptimError, OptimizerKind, SgdConfig, written::Written};

/// Which optimizer, and its hyper-parameters.
///
/// In a file: `kind = "sgd"` and SGD's keys; without `kind`, or with `kind = "adamw"`, AdamW's.
/// A key of the other is an error. AdamW is written without `kind`, as it was when it was the
/// only one.
#[derive(Debug, Clone, PartialEq)]
pub enum OptimizerConfig {
    /// [`crate::AdamW`].
    AdamW(AdamWConfig),
    /// [`crate::Sgd`].
    Sgd(SgdConfig),
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::AdamW(AdamWConfig::default())
    }
}

impl From<AdamWConfig> for OptimizerConfig {
    fn from(config: AdamWConfig) -> Self {
        Self::AdamW(config)
    }
}

impl From<SgdConfig> for OptimizerConfig {
    fn from(config: SgdConfig) -> Self {
        Self::Sgd(config)
    }
}

impl Serialize for OptimizerConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AdamW(config) => config.serialize(serializer),
            Self::Sgd(config) => config.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OptimizerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?.into_config(false)
    }
}

impl OptimizerConfig {
    /// Which optimizer it is.
    pub fn kind(&self) -> OptimizerKind {
        match self {
            Self::AdamW(_) => OptimizerKind::AdamW,
            Self::Sgd(_) => OptimizerKind::Sgd,
        }
    }

    /// The base learning rate.
    pub fn lr(&self) -> f64 {
        match self {
            Self::AdamW(config) => config.lr,
            Self::Sgd(config) => config.lr,
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// Names the first key out of range: see [`AdamWConfig::validate`] and
    /// [`SgdConfig::validate`].
    pub fn validate(&self) -> Result<(), OptimError> {
        match self {
            Self::AdamW(config) => config.validate(),
            Self::Sgd(config) => config.validate(),
        }
    }
}
