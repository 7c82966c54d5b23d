/// One value of a payload that holds no others. Equality is of bits: a NaN
/// equals itself, and -0.0 is not 0.0.
#[derive(Debug, Clone)]
pub enum Leaf {
    /// Nothing: how an `Option` that is `None` is written.
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer, whatever its width in the file.
    Int(i128),
    /// A single-precision number.
    F32(f32),
    /// A double-precision number.
    F64(f64),
    /// Text.
    Str(String),
    /// Bytes that belong to no tensor.
    Bytes(Vec<u8>),
    /// A map without entries.
    EmptyMap,
    /// A sequence without elements.
    EmptySeq,
    /// A tensor, as burn's `TensorData` is written. `bytes` holds
    /// `shape.product()` elements, row-major and little-endian.
    Tensor {
        /// Burn's `DType`, such as `F32` or `Bool(Native)`.
        dtype: String,
        /// The extent of each dimension.
        shape: Vec<u64>,
        /// The elements.
        bytes: Vec<u8>,
    },
}

impl Leaf {
    /// What kind of value it is, for a reader: `F32 [2, 3]`, `int`, ...
    pub fn describe(&self) -> String {
        match self {
            Self::Nil => "nothing".to_owned(),
            Self::Bool(_) => "bool".to_owned(),
            Self::Int(_) => "int".to_owned(),
            Self::F32(_) => "f32".to_owned(),
            Self::F64(_) => "f64".to_owned(),
            Self::Str(_) => "text".to_owned(),
            Self::Bytes(_) => "bytes".to_owned(),
            Self::EmptyMap => "empty map".to_owned(),
            Self::EmptySeq => "empty sequence".to_owned(),
            Self::Tensor { dtype, shape, .. } => format!("{dtype} {shape:?}"),
        }
    }

    /// The number of bytes of its content, without its path and its encoding.
    pub fn size(&self) -> usize {
        match self {
            Self::Nil | Self::EmptyMap | Self::EmptySeq => 0,
            Self::Bool(_) => 1,
            Self::F32(_) => 4,
            Self::Int(_) | Self::F64(_) => 8,
            Self::Str(text) => text.len(),
            Self::Bytes(bytes) | Self::Tensor { bytes, .. } => bytes.len(),
        }
    }
}

impl PartialEq for Leaf {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil)
            | (Self::EmptyMap, Self::EmptyMap)
            | (Self::EmptySeq, Self::EmptySeq) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Int(left), Self::Int(right)) => left == right,
            (Self::F32(left), Self::F32(right)) => left.to_bits() == right.to_bits(),
            (Self::F64(left), Self::F64(right)) => left.to_bits() == right.to_bits(),
            (Self::Str(left), Self::Str(right)) => left == right,
            (Self::Bytes(left), Self::Bytes(right)) => left == right,
            (
                Self::Tensor {
                    dtype: left_dtype,
                    shape: left_shape,
                    bytes: left,
                },
                Self::Tensor {
                    dtype: right_dtype,
                    shape: right_shape,
                    bytes: right,
                },
            ) => left_dtype == right_dtype && left_shape == right_shape && left == right,
            _ => false,
        }
    }
}

impl Eq for Leaf {}
