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

impl StopReason {
    /// What ranks tell one another.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::StepReached => 0,
            Self::Interrupt => 1,
            Self::Terminate => 2,
        }
    }

    pub(crate) fn of_code(code: u8) -> Option<Self> {
        [Self::StepReached, Self::Interrupt, Self::Terminate]
            .into_iter()
            .find(|reason| reason.code() == code)
    }
}
