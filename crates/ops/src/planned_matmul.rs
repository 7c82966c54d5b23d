use burn::tensor::{FloatDType, backend::Backend, ops::FloatTensor};

use crate::Precision;

/// A backend whose matrix products follow a [`Precision`].
///
/// A product is taken apart so that an operand of several products is rounded once: a backward
/// pass multiplies the gradient twice, and reads the operands of the forward pass again.
pub trait PlannedMatmul: Backend {
    /// Whether `device` has this precision.
    fn supports(device: &Self::Device, precision: Precision) -> bool;

    /// What a [`product`](Self::product) reads in place of the f32 tensor `tensor`, of any shape:
    /// the tensor rounded for `precision`, or itself. Tensors of other float types are not
    /// changed.
    fn operand(tensor: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self>;

    /// The product `[.., m, n]` of `[.., m, k]` and `[.., k, n]`, both from
    /// [`operand`](Self::operand) with this `precision`, as `out`. Leading dimensions are
    /// independent products; where one side has 1, it is repeated.
    fn product(
        lhs: FloatTensor<Self>,
        rhs: FloatTensor<Self>,
        precision: Precision,
        out: FloatDType,
    ) -> FloatTensor<Self>;
}
