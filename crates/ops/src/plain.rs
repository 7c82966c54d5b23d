//! Products by Burn's own operations, with operands rounded first.

use burn::tensor::{
    DType, FloatDType,
    backend::Backend,
    ops::{FloatTensor, FloatTensorOps},
};
use burn_flex::{Flex, FlexDevice};

use crate::{PlannedMatmul, Precision};

/// 2^13 + 1: f32 has 24 bits of precision, TF32 has 11.
const TF32_SPLITTER: f32 = 8193.0;

impl PlannedMatmul for Flex {
    fn supports(_device: &FlexDevice, _precision: Precision) -> bool {
        true
    }

    fn operand(tensor: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self> {
        match (precision, tensor.dtype()) {
            (Precision::Tf32, DType::F32) => round_to_tf32::<Self>(tensor),
            (Precision::Bf16, DType::F32) => {
                let rounded = Self::float_cast(tensor, FloatDType::BF16);
                Self::float_cast(rounded, FloatDType::F32)
            }
            _ => tensor,
        }
    }

    fn product(
        lhs: FloatTensor<Self>,
        rhs: FloatTensor<Self>,
        _precision: Precision,
        out: FloatDType,
    ) -> FloatTensor<Self> {
        let product = Self::float_matmul(lhs, rhs);
        match DType::from(out) == product.dtype() {
            true => product,
            false => Self::float_cast(product, out),
        }
    }
}

/// To the nearest TF32, ties to even, by Veltkamp's splitting (Dekker, "A floating-point
/// technique for extending the available precision", 1971). Magnitudes above 2^114 overflow.
fn round_to_tf32<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let scaled = B::float_mul_scalar(x.clone(), TF32_SPLITTER.into());
    let low = B::float_sub(scaled.clone(), x);
    B::float_sub(scaled, low)
}
