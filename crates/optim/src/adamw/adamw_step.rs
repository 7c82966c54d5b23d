//! The step of one parameter.

use burn::tensor::{DType, Tensor, backend::Backend};

use crate::{Hyper, Moments};

/// One AdamW step of one parameter: `(hyper, lr, param, grad, moments)` to the
/// new parameter and moments. `lr` is the learning rate in force (base rate
/// times the schedule's factor); `hyper.lr` is not read. `param`, `grad` and
/// the moments are flat tensors of one length and dtype, f32 or f64; the
/// arithmetic runs in that dtype, on scalars computed in f64.
///
/// The operations and their order are those of `_single_tensor_adam` with
/// `decoupled_weight_decay` (not capturable) in `torch/optim/adam.py`, which
/// `torch.optim.AdamW` calls, in PyTorch 2.15:
///
/// ```text
/// step_t += 1
/// if weight_decay != 0: param.mul_(1 - lr * weight_decay)
/// exp_avg.lerp_(grad, 1 - device_beta1)
/// exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
/// bias_correction1 = 1 - beta1**step
/// bias_correction2 = 1 - beta2**step
/// step_size = lr / bias_correction1
/// bias_correction2_sqrt = bias_correction2**0.5
/// if amsgrad:
///     torch.maximum(max_exp_avg_sqs[i], exp_avg_sq, out=max_exp_avg_sqs[i])
///     denom = (max_exp_avg_sqs[i].sqrt() / bias_correction2_sqrt).add_(eps)
/// else:
///     denom = (exp_avg_sq.sqrt() / bias_correction2_sqrt).add_(eps)
/// param.addcdiv_(exp_avg, denom, value=-step_size)
/// ```
///
/// and inside them those of ATen's CPU kernels: `addcmul` is
/// `self + (value * t1) * t2`, `addcdiv` is `self + (value * t1) / t2`, and
/// `lerp` has the two branches of its private counterpart here.
///
/// # Panics
/// If lengths or dtypes differ, or `max_exp_avg_sq` is present without
/// `hyper.amsgrad` or the other way round. [`crate::AdamW::step`] checks all of
/// it first and returns errors.
pub fn adamw_step<B: Backend>(
    hyper: &Hyper,
    lr: f64,
    param: Tensor<B, 1>,
    grad: Tensor<B, 1>,
    moments: Moments<B>,
) -> (Tensor<B, 1>, Moments<B>) {
    let Moments {
        step,
        shape,
        exp_avg,
        exp_avg_sq,
        max_exp_avg_sq,
    } = moments;
    assert_eq!(
        hyper.amsgrad,
        max_exp_avg_sq.is_some(),
        "`max_exp_avg_sq` must be there exactly when amsgrad is on"
    );

    let step = step + 1;
    let param = if hyper.weight_decay != 0.0 {
        param.mul_scalar(1.0 - lr * hyper.weight_decay)
    } else {
        param
    };

    let exp_avg = lerp(exp_avg, grad.clone(), 1.0 - hyper.beta1);
    let exp_avg_sq = exp_avg_sq
        .mul_scalar(hyper.beta2)
        .add(grad.clone().mul_scalar(1.0 - hyper.beta2).mul(grad));

    let bias_correction1 = 1.0 - libm::pow(hyper.beta1, step as f64);
    let bias_correction2 = 1.0 - libm::pow(hyper.beta2, step as f64);
    let step_size = lr / bias_correction1;

    let max_exp_avg_sq = max_exp_avg_sq.map(|max| max.max_pair(exp_avg_sq.clone()));
    let denom = max_exp_avg_sq
        .as_ref()
        .unwrap_or(&exp_avg_sq)
        .clone()
        .sqrt()
        .div_scalar(libm::sqrt(bias_correction2))
        .add_scalar(hyper.eps);
    let param = param.add(exp_avg.clone().mul_scalar(-step_size).div(denom));

    let moments = Moments {
        step,
        shape,
        exp_avg,
        exp_avg_sq,
        max_exp_avg_sq,
    };
    (param, moments)
}

/// ATen's `lerp` (`aten/src/ATen/native/Lerp.h`): the branch keeps it exact at
/// both ends, `1 - weight` is taken in the tensor's dtype.
fn lerp<B: Backend>(start: Tensor<B, 1>, end: Tensor<B, 1>, weight: f64) -> Tensor<B, 1> {
    let difference = end.clone().sub(start.clone());
    if weight < 0.5 {
        start.add(difference.mul_scalar(weight))
    } else {
        let complement = match start.dtype() {
            DType::F32 => f64::from(1.0 - weight as f32),
            _ => 1.0 - weight,
        };
        end.sub(difference.mul_scalar(complement))
    }
}
