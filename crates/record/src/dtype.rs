/// How the elements of a tensor or of a run of bytes are stored. Little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    Signed(usize),
    Unsigned(usize),
}

impl Dtype {
    /// The storage of burn's `DType` of this name; nothing for one that this
    /// crate does not know, such as the quantised ones.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "F64" => Self::F64,
            // Flex32 is stored as f32; only its arithmetic differs.
            "F32" | "Flex32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "I64" => Self::Signed(8),
            "I32" => Self::Signed(4),
            "I16" => Self::Signed(2),
            "I8" => Self::Signed(1),
            "U64" => Self::Unsigned(8),
            "U32" | "Bool(U32)" => Self::Unsigned(4),
            "U16" => Self::Unsigned(2),
            "U8" | "Bool(Native)" | "Bool(U8)" => Self::Unsigned(1),
            _ => return None,
        })
    }

    /// Bytes of one element.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Signed(size) | Self::Unsigned(size) => size,
        }
    }
}
