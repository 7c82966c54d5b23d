/// What an operand in memory consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stored {
    /// f32, to be rounded.
    F32,
    /// bf16.
    Bf16,
}

impl Stored {
    /// Bytes of one.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}
