use half::{bf16, f16};

/// A float type that trained values come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floats {
    F32,
    F16,
    Bf16,
}

impl Floats {
    /// Little-endian values as f32, which holds every one exactly.
    pub fn read(self, bytes: &[u8]) -> Vec<f32> {
        let pairs = || bytes.as_chunks::<2>().0.iter().copied();
        match self {
            Self::F32 => {
                let values = bytes.as_chunks::<4>().0.iter();
                values.map(|bytes| f32::from_le_bytes(*bytes)).collect()
            }
            Self::F16 => pairs()
                .map(|bytes| f16::from_le_bytes(bytes).to_f32())
                .collect(),
            Self::Bf16 => pairs()
                .map(|bytes| bf16::from_le_bytes(bytes).to_f32())
                .collect(),
        }
    }
}
