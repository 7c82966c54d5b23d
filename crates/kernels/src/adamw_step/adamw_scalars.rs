use super::AdamWDtype;

/// The scalars of one tensor's step, in f64.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWScalars {
    pub(super) weight: f64,
    /// Factors of the parameter and the second moment.
    pub(super) decay: f64,
    pub(super) beta2: f64,
    pub(super) one_minus_beta2: f64,
    /// `-lr / (1 - beta1^step)`.
    pub(super) minus_step_size: f64,
    /// `sqrt(1 - beta2^step)`.
    pub(super) correction2_sqrt: f64,
    pub(super) eps: f64,
}

/// [`AdamWScalars`] as the kernel takes them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lowered {
    /// Whether the first moment moves from itself towards the gradient
    /// (`weight < 0.5`) rather than back from the gradient.
    pub(super) from_start: bool,
    /// What the difference is multiplied by; negative if not `from_start`.
    pub(super) lerp: f64,
    pub(super) decay: f64,
    pub(super) beta2: f64,
    pub(super) one_minus_beta2: f64,
    pub(super) minus_step_size: f64,
    pub(super) correction2_sqrt: f64,
    pub(super) eps: f64,
}

impl AdamWScalars {
    /// The scalars of step number `step` (from 1: the count after the step)
    /// under the learning rate in force `lr`. Powers and roots are `libm`'s,
    /// which do not depend on the machine.
    pub fn new(lr: f64, betas: [f64; 2], eps: f64, weight_decay: f64, step: u64) -> Self {
        let [beta1, beta2] = betas;
        let correction1 = 1.0 - libm::pow(beta1, step as f64);
        let correction2 = 1.0 - libm::pow(beta2, step as f64);
        Self {
            weight: 1.0 - beta1,
            // A product by one is exact, so that the kernel need not branch.
            decay: if weight_decay != 0.0 {
                1.0 - lr * weight_decay
            } else {
                1.0
            },
            beta2,
            one_minus_beta2: 1.0 - beta2,
            minus_step_size: -(lr / correction1),
            correction2_sqrt: libm::sqrt(correction2),
            eps,
        }
    }

    pub(super) fn lowered(&self, dtype: AdamWDtype) -> Lowered {
        let from_start = self.weight < 0.5;
        // ATen takes `1 - weight` in the tensor's type. `grad - d * c` is
        // `grad + d * -c` to the bit.
        let complement = match dtype {
            AdamWDtype::F32 => f64::from(1.0 - self.weight as f32),
            AdamWDtype::F64 => 1.0 - self.weight,
        };
        Lowered {
            from_start,
            lerp: if from_start { self.weight } else { -complement },
            decay: self.decay,
            beta2: self.beta2,
            one_minus_beta2: self.one_minus_beta2,
            minus_step_size: self.minus_step_size,
            correction2_sqrt: self.correction2_sqrt,
            eps: self.eps,
        }
    }
}
