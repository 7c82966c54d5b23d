use cubecl::ir::{ElemType, FloatKind, StorageType};

/// The storage type of a tensor that [`dropout_apply`](super::dropout_apply)
/// multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskDtype {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of binary32.
    Bf16,
}

impl MaskDtype {
    /// Bytes of an element.
    pub const fn size(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    pub(crate) fn storage(self) -> StorageType {
        let kind = match self {
            Self::F32 => FloatKind::F32,
            Self::F16 => FloatKind::F16,
            Self::Bf16 => FloatKind::BF16,
        };
        StorageType::Scalar(ElemType::Float(kind))
    }
}
