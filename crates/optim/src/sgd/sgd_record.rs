//! The stored state of SGD.

use std::collections::BTreeMap;

use burn::record::{PrecisionSettings, Record};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::{MomentumRecord, SgdConfig, written};

/// [`crate::SgdState`] and its configuration as data. Reading refuses unknown fields and,
/// unlike a configuration file, absent ones.
///
/// As a burn [`Record`] it is its own item, so that no precision setting converts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SgdRecord {
    /// The configuration the state was made with.
    #[serde(deserialize_with = "written::sgd")]
    pub config: SgdConfig,
    /// The momentum buffers by parameter path.
    pub params: BTreeMap<String, MomentumRecord>,
}

impl<B: Backend> Record<B> for SgdRecord {
    type Item<S: PrecisionSettings> = Self;

    fn into_item<S: PrecisionSettings>(self) -> Self::Item<S> {
        self
    }

    fn from_item<S: PrecisionSettings>(item: Self::Item<S>, _device: &B::Device) -> Self {
        item
    }
}
