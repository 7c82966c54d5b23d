//! Attention in which one token of each sequence asks.

#[cfg(feature = "cuda")]
mod autodiff;
#[cfg(feature = "cuda")]
mod cube;
#[cfg(feature = "cuda")]
mod single_query_kernels;

use burn::tensor::{Tensor, backend::Backend};
#[cfg(feature = "cuda")]
use burn::tensor::{TensorPrimitive, ops::FloatTensor};

#[cfg(feature = "cuda")]
use crate::dispatch::{same, with_kernels};
use crate::{Precision, matmul, scaled_softmax};
#[cfg(feature = "cuda")]
use single_query_kernels::SingleQueryKernels;

/// `softmax(scale asking x^T) x` `[n, heads, width]` for the queries `asking` `[n, heads, width]` of one
/// token of each sequence and the sequences' rows `x` `[n, tokens, width]`, differentiable in both.
///
/// Operands of the products are rounded for `precision`. On CUDA this is a few kernels that read the
/// rows once each; where they do not take the sizes, and elsewhere, [`matmul`] and [`scaled_softmax`].
///
/// # Panics
/// If the shapes do not fit, or the device does not have `precision`.
pub fn single_query_attention<B: Backend>(
    asking: Tensor<B, 3>,
    x: Tensor<B, 3>,
    scale: f64,
    precision: Precision,
) -> Tensor<B, 3> {
    let ([n, _, width], found) = (asking.dims(), x.dims());
    assert!(
        found[0] == n && found[2] == width,
        "single_query_attention: expected rows [{n}, .., {width}], found {found:?}"
    );
    #[cfg(feature = "cuda")]
    let (asking, x) = match by_kernels(asking, x, scale, precision) {
        Ok(y) => return y,
        Err(operands) => operands,
    };
    // `x` on the left, so that its gradient lies as it does, `[n, tokens, width]`.
    let scores = matmul(x.clone(), asking.swap_dims(1, 2), precision).swap_dims(1, 2);
    matmul(scaled_softmax(scores, scale), x, precision)
}

#[cfg(feature = "cuda")]
type Operands<B> = (Tensor<B, 3>, Tensor<B, 3>);

/// The operands come back where no kernel takes them.
#[cfg(feature = "cuda")]
fn by_kernels<B: Backend>(
    asking: Tensor<B, 3>,
    x: Tensor<B, 3>,
    scale: f64,
    precision: Precision,
) -> Result<Tensor<B, 3>, Operands<B>> {
    let asking = asking.into_primitive().tensor();
    let x = x.into_primitive().tensor();
    let from = |tensor| Tensor::from_primitive(TensorPrimitive::Float(tensor));
    with_kernels!(B, K => {
        let asking: FloatTensor<K> = same(asking);
        let x: FloatTensor<K> = same(x);
        match K::takes(&asking, &x, precision) {
            true => {
                let [y, _] = K::attend(asking, x, scale, precision);
                Ok(from(same(y)))
            }
            false => Err((from(same(asking)), from(same(x)))),
        }
    }, otherwise Err((from(asking), from(x))))
}
