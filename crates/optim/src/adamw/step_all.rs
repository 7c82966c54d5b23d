//! The steps of all parameters.

use burn::tensor::{Tensor, backend::Backend};
use dacapo_ops::AdamWStep;

use crate::{Hyper, Moments, adamw_step};

/// What one parameter's step takes.
pub(crate) struct Single<B: Backend> {
    pub(crate) path: String,
    pub(crate) hyper: Hyper,
    pub(crate) lr: f64,
    pub(crate) param: Tensor<B, 1>,
    pub(crate) grad: Tensor<B, 1>,
    pub(crate) moments: Moments<B>,
}

/// What is left of it besides tensors and scalars.
struct Rest {
    path: String,
    hyper: Hyper,
    shape: Vec<usize>,
    /// Steps before this one.
    before: u64,
}

/// [`adamw_step`] of each, in their order: by one kernel for many where the backend has it, with
/// equal bits, else one by one.
pub(crate) fn step_all<B: Backend>(
    singles: Vec<Single<B>>,
) -> Vec<(String, Tensor<B, 1>, Moments<B>)> {
    // Handed over, not cloned: what nobody else holds may be overwritten.
    let (rests, steps): (Vec<_>, Vec<_>) = singles.into_iter().map(split).unzip();
    match dacapo_ops::adamw_step(steps) {
        Ok(stepped) => rests
            .into_iter()
            .zip(stepped)
            .map(|(rest, stepped)| {
                let moments = Moments {
                    step: rest.before + 1,
                    shape: rest.shape,
                    exp_avg: stepped.exp_avg,
                    exp_avg_sq: stepped.exp_avg_sq,
                    max_exp_avg_sq: stepped.max_exp_avg_sq,
                };
                (rest.path, stepped.param, moments)
            })
            .collect(),
        Err(steps) => rests
            .into_iter()
            .zip(steps)
            .map(|(rest, given)| {
                let moments = Moments {
                    step: rest.before,
                    shape: rest.shape,
                    exp_avg: given.exp_avg,
                    exp_avg_sq: given.exp_avg_sq,
                    max_exp_avg_sq: given.max_exp_avg_sq,
                };
                let (param, moments) =
                    adamw_step(&rest.hyper, given.lr, given.param, given.grad, moments);
                (rest.path, param, moments)
            })
            .collect(),
    }
}

fn split<B: Backend>(single: Single<B>) -> (Rest, AdamWStep<B>) {
    let Single {
        path,
        hyper,
        lr,
        param,
        grad,
        moments,
    } = single;
    let step = AdamWStep {
        param,
        grad,
        exp_avg: moments.exp_avg,
        exp_avg_sq: moments.exp_avg_sq,
        max_exp_avg_sq: moments.max_exp_avg_sq,
        lr,
        betas: [hyper.beta1, hyper.beta2],
        eps: hyper.eps,
        weight_decay: hyper.weight_decay,
        step: moments.step + 1,
    };
    let rest = Rest {
        path,
        hyper,
        shape: moments.shape,
        before: moments.step,
    };
    (rest, step)
}
