//! The step of one parameter.

use burn::tensor::{Tensor, backend::Backend};

use crate::{Momentum, SgdHyper};

/// One SGD step of one parameter: `(hyper, lr, param, grad, momentum)` to the new parameter and
/// momentum. `lr` is the learning rate in force (base rate times the schedule's factor);
/// `hyper.lr` is not read. All tensors are flat, of one length and dtype, f32 or f64; the
/// arithmetic runs in that dtype, on scalars computed in f64.
///
/// The operations and their order are those of `_single_tensor_sgd` in `torch/optim/sgd.py`,
/// PyTorch 2.15 (`add(t, alpha)` is `self + alpha * t`):
///
/// ```text
/// if weight_decay != 0: grad = grad.add(param, alpha=weight_decay)
/// if momentum != 0:
///     if buf is None: buf = grad.clone()
///     else: buf.mul_(momentum).add_(grad, alpha=1 - dampening)
///     if nesterov: grad = grad.add(buf, alpha=momentum)
///     else: grad = buf
/// param.add_(grad, alpha=-lr)
/// ```
///
/// # Panics
/// If lengths or dtypes differ. [`crate::Sgd::step`] checks that first and returns errors.
pub fn sgd_step<B: Backend>(
    hyper: &SgdHyper,
    lr: f64,
    param: Tensor<B, 1>,
    grad: Tensor<B, 1>,
    momentum: Momentum<B>,
) -> (Tensor<B, 1>, Momentum<B>) {
    let mut grad = grad;
    if hyper.weight_decay != 0.0 {
        grad = add(grad, param.clone(), hyper.weight_decay);
    }
    let mut momentum = Momentum {
        step: momentum.step + 1,
        ..momentum
    };
    if hyper.momentum != 0.0 {
        let buffer = match momentum.momentum_buffer {
            None => grad.clone(),
            Some(buffer) => add(
                buffer.mul_scalar(hyper.momentum),
                grad.clone(),
                1.0 - hyper.dampening,
            ),
        };
        grad = match hyper.nesterov {
            true => add(grad, buffer.clone(), hyper.momentum),
            false => buffer.clone(),
        };
        momentum.momentum_buffer = Some(buffer);
    }
    (add(param, grad, -lr), momentum)
}

/// ATen's `add` with `alpha`; a product by 1 changes no bit and is left out.
fn add<B: Backend>(to: Tensor<B, 1>, other: Tensor<B, 1>, alpha: f64) -> Tensor<B, 1> {
    match alpha == 1.0 {
        true => to.add(other),
        false => to.add(other.mul_scalar(alpha)),
    }
}
