use crate::StopReason;

/// How a call of [`run`](crate::run()) ended. In every case the state is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// All epochs are done.
    Completed,
    /// Early stopping ended the run.
    StoppedEarly,
    /// The run was stopped and can be resumed.
    Stopped(StopReason),
}
