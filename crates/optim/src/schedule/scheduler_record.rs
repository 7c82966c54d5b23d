//! The stored scheduler.

use burn::record::{PrecisionSettings, Record};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::Schedule;

/// [`crate::Scheduler`] as data; as a burn [`Record`] its own item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulerRecord {
    /// The schedule, its length resolved.
    pub config: Schedule,
    /// Ticks so far.
    pub position: u64,
}

impl<B: Backend> Record<B> for SchedulerRecord {
    type Item<S: PrecisionSettings> = Self;

    fn into_item<S: PrecisionSettings>(self) -> Self::Item<S> {
        self
    }

    fn from_item<S: PrecisionSettings>(item: Self::Item<S>, _device: &B::Device) -> Self {
        item
    }
}
