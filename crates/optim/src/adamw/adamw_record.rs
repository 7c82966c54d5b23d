//! The stored state of the optimizer.

use std::collections::BTreeMap;

use burn::record::{PrecisionSettings, Record};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::{AdamWConfig, MomentsRecord, written};

/// [`crate::AdamWState`] and its configuration as data. Reading refuses unknown
/// fields and, unlike a configuration file, absent ones.
///
/// As a burn [`Record`] it is its own item, so that no precision setting
/// converts it: dtype and bits of every moment survive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWRecord {
    /// The configuration the state was made with.
    #[serde(deserialize_with = "written::adamw")]
    pub config: AdamWConfig,
    /// The moments by parameter path.
    pub params: BTreeMap<String, MomentsRecord>,
}

impl<B: Backend> Record<B> for AdamWRecord {
    type Item<S: PrecisionSettings> = Self;

    fn into_item<S: PrecisionSettings>(self) -> Self::Item<S> {
        self
    }

    fn from_item<S: PrecisionSettings>(item: Self::Item<S>, _device: &B::Device) -> Self {
        item
    }
}
