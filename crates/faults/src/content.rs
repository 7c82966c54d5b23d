/// What a power cut leaves of a file that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// An empty file.
    Nothing,
    /// The first half.
    Half,
    /// Everything.
    All,
}

impl Content {
    /// Every kind.
    pub(crate) const ALL: [Self; 3] = [Self::Nothing, Self::Half, Self::All];
}
