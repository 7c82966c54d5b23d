use std::{collections::BTreeMap, path::Path};

use burn::{
    record::{PrecisionSettings, Record},
    tensor::{TensorData, backend::Backend},
};
use dacapo_optim::{OptimizerRecord, SchedulerRecord};
use dacapo_rng::RngRecord;
use serde::{Deserialize, Serialize};

use crate::{
    DataRecord, EarlyStopping, Identity, Info, RunRecord, TrainerError,
    payload::{from_payload, payload_tree, to_payload},
};

/// The complete state of a run: one Burn [`Record`], one file.
///
/// The frozen base is not in it: [`Identity::base_hash`] names it, and loading refuses another.
///
/// Every tensor is a [`TensorData`] under its stable path and every number keeps its
/// own type, so dtype and bits survive any [`PrecisionSettings`]. (Burn's own tensor
/// records convert every float to the settings' element type.)
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerRecord {
    /// Every trainable tensor, by path.
    pub adapters: BTreeMap<String, TensorData>,
    /// Running statistics and other non-trained state, by path.
    pub buffers: BTreeMap<String, TensorData>,
    /// Moments, step counters and hyper-parameters.
    pub optimizer: OptimizerRecord,
    /// Position and configuration of the learning-rate schedule.
    pub scheduler: SchedulerRecord,
    /// Every named random stream.
    pub rng: RngRecord,
    /// Where the run stands in its data.
    pub data: DataRecord,
    /// The early-stopping counters.
    pub early_stopping: EarlyStopping,
    /// Steps, epochs, history, lineage.
    pub run: RunRecord,
    /// What else can change bits.
    pub identity: Identity,
    /// What cannot: times and places. Never compared.
    pub info: Info,
}

impl<B: Backend> Record<B> for TrainerRecord {
    type Item<S: PrecisionSettings> = Self;

    fn into_item<S: PrecisionSettings>(self) -> Self::Item<S> {
        self
    }

    fn from_item<S: PrecisionSettings>(item: Self::Item<S>, _device: &B::Device) -> Self {
        item
    }
}

impl TrainerRecord {
    /// Paths that comparisons and the state hash leave out: times and places, and how long
    /// the run is meant to go on, which changes no bit before that and may be changed.
    pub const INFORMATIONAL: &'static [&'static str] = &["info", "run.epochs"];

    /// The record as Burn's `NamedMpkFileRecorder` writes it, which any Burn program reads.
    ///
    /// # Errors
    /// Burn's recorder refusing it, which it has no reason to.
    pub fn to_payload<B: Backend>(self) -> Result<Vec<u8>, TrainerError> {
        to_payload::<B, _>(self)
    }

    /// Reads a payload whose checksum has been verified.
    ///
    /// # Errors
    /// Names the first leaf that is missing, unexpected, doubled or of the wrong type.
    pub fn from_payload(file: &Path, payload: &[u8]) -> Result<Self, TrainerError> {
        from_payload(file, payload)
    }

    /// The state hash: equal for equal states, whatever [`Info`] says.
    ///
    /// # Errors
    /// Those of [`to_payload`](Self::to_payload).
    pub fn state_hash<B: Backend>(self) -> Result<String, TrainerError> {
        let payload = self.to_payload::<B>()?;
        let tree = payload_tree(Path::new("record"), &payload)?;
        Ok(tree.state_hash(Self::INFORMATIONAL))
    }
}
