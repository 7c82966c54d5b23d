/// Why a run stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The step that was asked for is reached.
    StepReached,
    /// An interrupt from the keyboard (SIGINT).
    Interrupt,
    /// A request to end (SIGTERM).
    Terminate,
}
