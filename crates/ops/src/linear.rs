use burn::tensor::{Tensor, TensorPrimitive, backend::Backend, module};

use crate::{Precision, add_row, dispatch};

/// `x W + bias` `[.., out]` for `x` `[.., in]`, `weight` `[in, out]` and `bias` `[out]`,
/// differentiable in all three.
///
/// All leading dimensions of `x` are rows of one product, as are those of its gradients: the
/// gradient of `weight` is one product over all rows, and not formed if `weight` needs none.
/// On a backend without a plan, in f32, this is [`burn::tensor::module::linear`].
///
/// # Panics
/// If the shapes do not fit, or the device does not have `precision`.
pub fn linear<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 1>>,
    precision: Precision,
) -> Tensor<B, D> {
    let [d_in, d_out] = weight.dims();
    let mut dims = x.dims();
    assert!(
        dims[D - 1] == d_in && bias.as_ref().is_none_or(|bias| bias.dims() == [d_out]),
        "linear: expected x [.., {d_in}] and bias [{d_out}] for the weight [{d_in}, {d_out}], \
         found {dims:?} and {:?}",
        bias.as_ref().map(Tensor::dims)
    );
    let rows = dims[..D - 1].iter().product::<usize>();
    dims[D - 1] = d_out;
    let x = x.reshape([rows, d_in]);
    if !dispatch::is_planned::<B>(precision) {
        return module::linear(x, weight, bias).reshape(dims);
    }
    let operands = (
        x.into_primitive().tensor(),
        weight.into_primitive().tensor(),
    );
    let Ok(product) = dispatch::product::<B>(operands, precision) else {
        unreachable!("asked above")
    };
    let y = Tensor::<B, 2>::from_primitive(TensorPrimitive::Float(product));
    match bias {
        Some(bias) => add_row(y, bias.unsqueeze()),
        None => y,
    }
    .reshape(dims)
}
