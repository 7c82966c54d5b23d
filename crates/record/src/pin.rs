/// What keeps a checkpoint from being removed: a file in a run's folder `pins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The checkpoint's name.
    pub checkpoint: String,
    /// Who needs it: a branch's run id.
    pub by: String,
    /// For people: the branch's folder.
    pub note: String,
}

impl Pin {
    /// Its file's name.
    pub(crate) fn file(&self) -> String {
        format!("{}@{}", self.checkpoint, self.by)
    }
}
