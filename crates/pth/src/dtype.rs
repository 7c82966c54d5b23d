/// The type of a tensor's elements, named as torch names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dtype {
    /// `torch.float64`.
    F64,
    /// `torch.float32`.
    F32,
    /// `torch.float16`.
    F16,
    /// `torch.bfloat16`.
    Bf16,
    /// `torch.float8_e4m3fn`.
    F8E4m3,
    /// `torch.float8_e5m2`.
    F8E5m2,
    /// `torch.complex64`: two `f32`, the real part first.
    Complex64,
    /// `torch.complex128`: two `f64`, the real part first.
    Complex128,
    /// `torch.int64`.
    I64,
    /// `torch.int32`.
    I32,
    /// `torch.int16`.
    I16,
    /// `torch.int8`.
    I8,
    /// `torch.uint64`.
    U64,
    /// `torch.uint32`.
    U32,
    /// `torch.uint16`.
    U16,
    /// `torch.uint8`.
    U8,
    /// `torch.bool`: a byte, 0 or 1.
    Bool,
}

/// dtype, torch's name, torch's typed storage where there is one, numpy's code where
/// there is one.
const TABLE: [(Dtype, &str, Option<&str>, Option<&str>); 17] = [
    (Dtype::F64, "float64", Some("DoubleStorage"), Some("f8")),
    (Dtype::F32, "float32", Some("FloatStorage"), Some("f4")),
    (Dtype::F16, "float16", Some("HalfStorage"), Some("f2")),
    (Dtype::Bf16, "bfloat16", Some("BFloat16Storage"), None),
    (Dtype::F8E4m3, "float8_e4m3fn", None, None),
    (Dtype::F8E5m2, "float8_e5m2", None, None),
    (
        Dtype::Complex64,
        "complex64",
        Some("ComplexFloatStorage"),
        Some("c8"),
    ),
    (
        Dtype::Complex128,
        "complex128",
        Some("ComplexDoubleStorage"),
        Some("c16"),
    ),
    (Dtype::I64, "int64", Some("LongStorage"), Some("i8")),
    (Dtype::I32, "int32", Some("IntStorage"), Some("i4")),
    (Dtype::I16, "int16", Some("ShortStorage"), Some("i2")),
    (Dtype::I8, "int8", Some("CharStorage"), Some("i1")),
    (Dtype::U64, "uint64", None, Some("u8")),
    (Dtype::U32, "uint32", None, Some("u4")),
    (Dtype::U16, "uint16", None, Some("u2")),
    (Dtype::U8, "uint8", Some("ByteStorage"), Some("u1")),
    (Dtype::Bool, "bool", Some("BoolStorage"), Some("b1")),
];

impl Dtype {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::Complex128 => 16,
            Self::F64 | Self::Complex64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::F8E4m3 | Self::F8E5m2 | Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// torch's name without `torch.`: `float32`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// torch's typed storage of these elements: `FloatStorage`.
    pub(crate) fn storage(self) -> Option<&'static str> {
        self.row().2
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::find(|row| row.1 == name)
    }

    pub(crate) fn of_storage(storage: &str) -> Option<Self> {
        Self::find(|row| row.2 == Some(storage))
    }

    pub(crate) fn of_numpy(code: &str) -> Option<Self> {
        Self::find(|row| row.3 == Some(code))
    }

    fn row(
        self,
    ) -> &'static (
        Self,
        &'static str,
        Option<&'static str>,
        Option<&'static str>,
    ) {
        TABLE
            .iter()
            .find(|row| row.0 == self)
            .expect("every dtype has a row")
    }

    fn find(
        wanted: impl Fn(
            &(
                Self,
                &'static str,
                Option<&'static str>,
                Option<&'static str>,
            ),
        ) -> bool,
    ) -> Option<Self> {
        TABLE.iter().find(|row| wanted(row)).map(|row| row.0)
    }
}
