//! The step in plain host code, written as the formulas of the module read.

use super::AdamWScalars;

macro_rules! step {
    ($(#[$doc:meta])* $name:ident, $float:ty, $sqrt:path) => {
        $(#[$doc])*
        pub fn $name(
            scalars: &AdamWScalars,
            param: &mut [$float],
            grad: &[$float],
            exp_avg: &mut [$float],
            exp_avg_sq: &mut [$float],
            mut max_exp_avg_sq: Option<&mut [$float]>,
        ) {
            let weight = scalars.weight;
            for i in 0..param.len() {
                let g = grad[i];
                param[i] *= scalars.decay as $float;
                let difference = g - exp_avg[i];
                exp_avg[i] = if weight < 0.5 {
                    exp_avg[i] + difference * weight as $float
                } else {
                    g - difference * (1.0 - weight as $float)
                };
                exp_avg_sq[i] = exp_avg_sq[i] * scalars.beta2 as $float
                    + g * scalars.one_minus_beta2 as $float * g;
                let mut largest = exp_avg_sq[i];
                if let Some(max) = &mut max_exp_avg_sq {
                    // NaN on either side leaves the maximum.
                    largest = if max[i] < largest { largest } else { max[i] };
                    max[i] = largest;
                }
                let denom = $sqrt(largest) / scalars.correction2_sqrt as $float
                    + scalars.eps as $float;
                param[i] += exp_avg[i] * scalars.minus_step_size as $float / denom;
            }
        }
    };
}

step! {
    /// One step of an f32 tensor, in place. All slices have `param`'s length.
    adamw_step_f32, f32, libm::sqrtf
}
step! {
    /// One step of an f64 tensor, in place. All slices have `param`'s length.
    adamw_step_f64, f64, libm::sqrt
}

#[cfg(test)]
mod tests {
    use super::*;

    // `torch.optim.AdamW` (lr 0.1, betas (0.9, 0.999), eps 1e-8, decay 0.01) by
    // hand: the first step moves each element by lr against its gradient's sign.
    #[test]
    fn first_step_is_no_sign_step() {
        let scalars = AdamWScalars::new(0.1, [0.9, 0.999], 1e-8, 0.01, 1);
        let mut param = [1.0, -2.0];
        adamw_step_f64(
            &scalars,
            &mut param,
            &[3.0, -0.5],
            &mut [0.0; 2],
            &mut [0.0; 2],
            None,
        );
        assert!((param[0] - (0.999 - 0.1)).abs() < 1e-8, "{param:?}");
        assert!((param[1] - (-1.998 + 0.1)).abs() < 1e-8, "{param:?}");
    }

    #[test]
    fn amsgrad_forgets_the_maximum() {
        let scalars = AdamWScalars::new(0.1, [0.9, 0.5], 1e-8, 0.0, 2);
        let mut max = [4.0, 0.0, 1.0];
        let mut square = [1.0, 1.0, f64::NAN];
        adamw_step_f64(
            &scalars,
            &mut [0.0; 3],
            &[0.0; 3],
            &mut [1.0; 3],
            &mut square,
            Some(&mut max),
        );
        assert_eq!(max, [4.0, 0.5, 1.0]);
    }
}
