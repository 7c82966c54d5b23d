//! Operands on the host, shared by all cases.

use crate::candidate::Precision;

/// Numbers between -1 and 1, and the same rounded to bf16.
pub struct Data {
    f32: Vec<f32>,
    bf16: Vec<half::bf16>,
}

impl Data {
    /// Where the right operand starts.
    pub const RHS: usize = 131;
    /// Where another right operand starts.
    pub const OTHER: usize = 1009;

    /// Enough for operands of `len` elements.
    pub fn new(len: usize) -> Self {
        let mut state = 0x853c_49e6_748f_ea9b_u64;
        let f32: Vec<f32> = (0..len + Self::OTHER)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                ((state >> 40) as f32 - 8_388_608.0) / 8_388_608.0
            })
            .collect();
        let bf16 = f32.iter().map(|&x| half::bf16::from_f32(x)).collect();
        Self { f32, bf16 }
    }

    /// The bytes of an operand.
    pub fn bytes(&self, precision: Precision, offset: usize, len: usize) -> &[u8] {
        match precision {
            Precision::Bf16 => bytemuck::cast_slice(&self.bf16[offset..offset + len]),
            _ => bytemuck::cast_slice(&self.f32[offset..offset + len]),
        }
    }

    /// One element as the device gets it.
    pub fn value(&self, precision: Precision, at: usize) -> f64 {
        match precision {
            Precision::Bf16 => f64::from(self.bf16[at].to_f32()),
            _ => f64::from(self.f32[at]),
        }
    }
}
