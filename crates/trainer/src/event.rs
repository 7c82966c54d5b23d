use crate::{EpochReport, StepReport};

/// What a run tells its [`Observer`](crate::Observer) while it goes on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An optimizer step is done.
    Step(StepReport),
    /// An epoch has ended.
    Epoch(EpochReport),
    /// A checkpoint is committed.
    Checkpoint {
        /// Its file name.
        name: String,
        /// Optimizer steps done.
        step: u64,
        /// Whether it is the best so far.
        best: bool,
    },
}
