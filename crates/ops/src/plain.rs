//! Products on the host, with operands rounded first.

use burn::tensor::{
    DType, FloatDType,
    backend::Backend,
    ops::{FloatTensor, FloatTensorOps},
};
use burn_flex::{Flex, FlexDevice};

use crate::host_product::host_product;
use crate::{PlannedMatmul, Precision};

/// 2^13 + 1: f32 has 24 bits of precision, TF32 has 11.
const TF32_SPLITTER: f32 = 8193.0;
/// 2^16 + 1: bf16 has 8 bits of precision.
const BF16_SPLITTER: f32 = 65537.0;

impl PlannedMatmul for Flex {
    fn supports(_device: &FlexDevice, _precision: Precision) -> bool {
        true
    }

    fn operand(tensor: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self> {
        match (precision, tensor.dtype()) {
            (Precision::Tf32, DType::F32) => round::<Self>(tensor, TF32_SPLITTER),
            // Not by casting: Flex goes through f64, from which the crate `half` does not round
            // to nearest (0x3ecc8004 goes down).
            (Precision::Bf16, DType::F32) => round::<Self>(tensor, BF16_SPLITTER),
            _ => tensor,
        }
    }

    fn product(
        lhs: FloatTensor<Self>,
        rhs: FloatTensor<Self>,
        _precision: Precision,
        out: FloatDType,
    ) -> FloatTensor<Self> {
        let product = match host_product(&lhs, &rhs) {
            Some(product) => product,
            None => Self::float_matmul(lhs, rhs),
        };
        match DType::from(out) == product.dtype() {
            true => product,
            false => Self::float_cast(product, out),
        }
    }
}

/// To fewer bits, to the nearest, ties to even, by Veltkamp's splitting (Dekker, "A floating-point
/// technique for extending the available precision", 1971). Magnitudes within the splitter of the
/// largest f32 overflow.
fn round<B: Backend>(x: FloatTensor<B>, splitter: f32) -> FloatTensor<B> {
    let scaled = B::float_mul_scalar(x.clone(), splitter.into());
    let low = B::float_sub(scaled.clone(), x);
    B::float_sub(scaled, low)
}
