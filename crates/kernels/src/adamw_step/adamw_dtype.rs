use cubecl::ir::{ElemType, FloatKind, StorageType};

/// The type of a parameter, its gradient and its moments, and of the arithmetic
/// of its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdamWDtype {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
}

impl AdamWDtype {
    /// Bytes of an element.
    pub const fn size(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    pub(super) fn storage(self) -> StorageType {
        let kind = match self {
            Self::F32 => FloatKind::F32,
            Self::F64 => FloatKind::F64,
        };
        StorageType::Scalar(ElemType::Float(kind))
    }
}
