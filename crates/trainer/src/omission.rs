use serde::{Deserialize, Serialize};

/// A part of the state that a resumed run is made to lack, as programs that save too little do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Omission {
    /// Nothing is left out.
    Nothing,
    /// The optimizer's moments or buffers; its step counters are kept.
    Moments,
    /// The optimizer's step counters; its moments are kept.
    OptimizerStep,
    /// The optimizer's state: moments and step counters.
    Optimizer,
    /// The schedule's position.
    Scheduler,
    /// The position in the order of the data: epochs are shuffled as if the run began here.
    Shuffle,
    /// The position in the dropout masks: they are drawn as if the run began here.
    Dropout,
    /// The positions of the other random streams, such as augmentation's.
    Streams,
    /// The early-stopping counters.
    EarlyStopping,
    /// The adapters' magnitudes: they are what they were at the start.
    Magnitude,
    /// Running statistics: they are what they were at the start.
    Buffers,
    /// The count of optimizer steps.
    GlobalStep,
    /// The history.
    History,
}

impl Omission {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::Nothing,
        Self::Moments,
        Self::OptimizerStep,
        Self::Optimizer,
        Self::Scheduler,
        Self::Shuffle,
        Self::Dropout,
        Self::Streams,
        Self::EarlyStopping,
        Self::Magnitude,
        Self::Buffers,
        Self::GlobalStep,
        Self::History,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Moments => "optimizer moments",
            Self::OptimizerStep => "optimizer step counter",
            Self::Optimizer => "whole optimizer",
            Self::Scheduler => "scheduler",
            Self::Shuffle => "shuffle stream",
            Self::Dropout => "dropout stream",
            Self::Streams => "other streams",
            Self::EarlyStopping => "early stopping",
            Self::Magnitude => "adapters' magnitude",
            Self::Buffers => "running statistics",
            Self::GlobalStep => "global step",
            Self::History => "history",
        }
    }

    /// The sections of the record that it changes by itself: an omission matters only if, in
    /// the end, something else is other than it would have been.
    pub fn own_sections(self) -> &'static [&'static str] {
        match self {
            Self::Nothing | Self::Dropout => &[],
            Self::Moments | Self::OptimizerStep | Self::Optimizer => &["optimizer"],
            Self::Scheduler => &["scheduler"],
            Self::Shuffle => &["data"],
            Self::Streams => &["rng"],
            Self::EarlyStopping => &["early_stopping"],
            Self::Magnitude => &["adapters"],
            Self::Buffers => &["buffers"],
            // Names of checkpoints hold the step.
            Self::GlobalStep => &["run", "early_stopping.best_checkpoint"],
            Self::History => &["run"],
        }
    }
}
