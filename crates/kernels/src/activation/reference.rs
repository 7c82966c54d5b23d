//! The same in plain host code, in f64.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::ActivationKind;

/// f(x).
pub fn activation(kind: ActivationKind, x: f64) -> f64 {
    match kind {
        ActivationKind::Gelu => x * cumulative(x),
        ActivationKind::QuickGelu => x * sigmoid(x),
    }
}

/// f'(x).
pub fn slope(kind: ActivationKind, x: f64) -> f64 {
    match kind {
        ActivationKind::Gelu => cumulative(x) + x * (-x * x / 2.0).exp() / (2.0 * PI).sqrt(),
        ActivationKind::QuickGelu => sigmoid(x) * (1.0 + 1.702 * x * (1.0 - sigmoid(x))),
    }
}

fn cumulative(x: f64) -> f64 {
    libm::erfc(-x * FRAC_1_SQRT_2) / 2.0
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * x).exp())
}
