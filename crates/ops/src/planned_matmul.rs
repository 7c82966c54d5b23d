use burn::tensor::{FloatDType, backend::Backend, ops::FloatTensor};

use crate::{Precision, ProductSizes};

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

    /// Whether products of these sizes, and those of their gradients, round f32 tensors like this one as
    /// they read them, so that what [`operand`](Self::operand) would make is not needed: any, or a `right`
    /// operand that its gradient's product does not read.
    fn rounds_as_it_reads(
        tensor: &FloatTensor<Self>,
        right: bool,
        sizes: ProductSizes,
        precision: Precision,
    ) -> bool {
        let _ = (tensor, right, sizes, precision);
        false
    }

    /// The operand that products of these sizes, and those of their gradients, want of `tensor`.
    fn operand_of(
        tensor: FloatTensor<Self>,
        sizes: ProductSizes,
        precision: Precision,
    ) -> FloatTensor<Self> {
        match Self::rounds_as_it_reads(&tensor, false, sizes, precision) {
            true => tensor,
            false => Self::operand(tensor, precision),
        }
    }

    /// That of a right operand, which the gradient of the left one is a product with, too.
    fn right_operand_of(
        tensor: FloatTensor<Self>,
        sizes: ProductSizes,
        precision: Precision,
    ) -> FloatTensor<Self> {
        match Self::rounds_as_it_reads(&tensor, true, sizes, precision) {
            true => tensor,
            false => Self::operand(tensor, precision),
        }
    }

    /// The product `[.., m, n]` of `[.., m, k]` and `[.., k, n]`, both from
    /// [`operand`](Self::operand) or one of those after it with this `precision`, as `out`. Leading dimensions are
    /// independent products; where one side has 1, it is repeated.
    fn product(
        lhs: FloatTensor<Self>,
        rhs: FloatTensor<Self>,
        precision: Precision,
        out: FloatDType,
    ) -> FloatTensor<Self>;
}
