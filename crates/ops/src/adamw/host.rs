//! The step on `Flex` tensors, in one pass over each.

use burn::tensor::ops::FloatTensor;
use burn_flex::{Flex, FlexTensor};

use super::{AdamWKernels, StateTensors, StepTensors};
use crate::host::{each_of_four, own, values};

/// The scalars of a step, each rounded to f32 once from f64, as a tensor operation rounds it.
struct Scalars {
    /// Whether the first moment moves from itself towards the gradient, or back from the gradient,
    /// and by how much of their difference (`lerp` in ATen).
    from_start: bool,
    lerp: f32,
    decay: Option<f32>,
    beta2: f32,
    one_minus_beta2: f32,
    minus_step_size: f32,
    correction2_sqrt: f32,
    eps: f32,
}

impl Scalars {
    fn new(step: &StepTensors<FlexTensor>) -> Self {
        let [beta1, beta2] = step.betas;
        let weight = 1.0 - beta1;
        let from_start = weight < 0.5;
        let correction1 = 1.0 - libm::pow(beta1, step.step as f64);
        let correction2 = 1.0 - libm::pow(beta2, step.step as f64);
        Self {
            from_start,
            lerp: match from_start {
                true => weight as f32,
                false => 1.0 - weight as f32,
            },
            decay: (step.weight_decay != 0.0).then_some((1.0 - step.lr * step.weight_decay) as f32),
            beta2: beta2 as f32,
            one_minus_beta2: (1.0 - beta2) as f32,
            minus_step_size: (-(step.lr / correction1)) as f32,
            correction2_sqrt: libm::sqrt(correction2) as f32,
            eps: step.eps as f32,
        }
    }

    #[inline(always)]
    fn step(&self, g: f32, [param, m, v]: [f32; 3], max: Option<f32>) -> [f32; 4] {
        let param = match self.decay {
            Some(decay) => param * decay,
            None => param,
        };
        let difference = g - m;
        let m = match self.from_start {
            true => m + difference * self.lerp,
            false => g - difference * self.lerp,
        };
        let v = v * self.beta2 + g * self.one_minus_beta2 * g;
        let largest = match max {
            // NaN on either side goes the way of Burn's maximum.
            Some(max) => {
                if max > v || max.is_nan() {
                    max
                } else {
                    v
                }
            }
            None => v,
        };
        let denominator = largest.sqrt() / self.correction2_sqrt + self.eps;
        [
            param + m * self.minus_step_size / denominator,
            m,
            v,
            largest,
        ]
    }
}

impl AdamWKernels for Flex {
    fn step(steps: Vec<StepTensors<FloatTensor<Self>>>) -> Vec<StateTensors<FloatTensor<Self>>> {
        steps.into_iter().map(stepped).collect()
    }
}

fn stepped(step: StepTensors<FlexTensor>) -> StateTensors<FlexTensor> {
    let scalars = Scalars::new(&step);
    let grad = step.grad.to_contiguous();
    let grad = values(&grad);
    let mut state = StateTensors {
        param: own(step.state.param),
        exp_avg: own(step.state.exp_avg),
        exp_avg_sq: own(step.state.exp_avg_sq),
        max_exp_avg_sq: step.state.max_exp_avg_sq.map(own),
    };
    let param = state.param.storage_mut::<f32>();
    let exp_avg = state.exp_avg.storage_mut::<f32>();
    let exp_avg_sq = state.exp_avg_sq.storage_mut::<f32>();
    match &mut state.max_exp_avg_sq {
        Some(max) => {
            let max = max.storage_mut::<f32>();
            each_of_four(
                [param, exp_avg, exp_avg_sq, max],
                #[inline(always)]
                |first, [param, m, v, max]| {
                    let each = param.iter_mut().zip(m).zip(v).zip(max);
                    for ((((param, m), v), max), g) in each.zip(&grad[first..]) {
                        [*param, *m, *v, *max] = scalars.step(*g, [*param, *m, *v], Some(*max));
                    }
                },
            );
        }
        None => each_of_four(
            [param, exp_avg, exp_avg_sq, &mut []],
            #[inline(always)]
            |first, [param, m, v, _]| {
                let each = param.iter_mut().zip(m).zip(v);
                for (((param, m), v), g) in each.zip(&grad[first..]) {
                    [*param, *m, *v, _] = scalars.step(*g, [*param, *m, *v], None);
                }
            },
        ),
    }
    state
}
