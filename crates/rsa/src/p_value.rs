use std::f64::consts::PI;

use crate::RsaError;

/// The two-sided p-value of a rank correlation `rho` over `pairs` pairs of values, as
/// SciPy's `stats.spearmanr` gives it: Student's t distribution with
/// `pairs - 2` degrees of freedom at `t = rho sqrt((pairs - 2) / (1 - rho^2))`.
///
/// With `a = (pairs - 2) / 2` that is the regularised incomplete beta function
/// `I_x(a, 1/2)` at `x = 1 - rho^2` (DLMF 8.17.2). Against 60 digits, its relative error
/// stayed below 3e-13 for 3 to 20,000 pairs and every p down to 1e-307. `|rho| = 1`
/// gives 0, and so does a p too small for an `f64`.
///
/// # Errors
/// [`RsaError::Correlation`] if `rho` is not in `-1..=1` or there are fewer than 3 pairs.
pub fn spearman_p_value(rho: f64, pairs: usize) -> Result<f64, RsaError> {
    if !(-1.0..=1.0).contains(&rho) {
        return Err(RsaError::Correlation {
            expected: "a rho between -1 and 1",
            found: rho.to_string(),
        });
    }
    if pairs < 3 {
        return Err(RsaError::Correlation {
            expected: "at least 3 pairs of values",
            found: pairs.to_string(),
        });
    }
    let rho = rho.abs();
    let a = (pairs - 2) as f64 / 2.0;
    let x = (1.0 - rho) * (1.0 + rho);
    // x^a, by whichever of the two forms of x lost less to rounding.
    let power = if rho < 0.5 {
        libm::exp(a * libm::log1p(-rho * rho))
    } else {
        libm::pow(x, a)
    };
    // x^a (1 - x)^(1/2) / B(a, 1/2)
    let factor = power * rho * gamma_ratio(a) / PI.sqrt();
    Ok(if x < (a + 1.0) / (a + 2.5) {
        factor / a * beta_fraction(a, 0.5, x)
    } else {
        // I_x(a, b) = 1 - I_(1-x)(b, a), where the fraction converges fast.
        1.0 - factor / 0.5 * beta_fraction(0.5, a, rho * rho)
    })
}

/// `Gamma(a + 1/2) / Gamma(a)` for a positive `a`, without the cancellation of two
/// logarithms.
fn gamma_ratio(a: f64) -> f64 {
    // The series in 1 / a of the ratio over sqrt(a) (DLMF 5.11.13).
    const SERIES: [f64; 8] = [
        1.0,
        -1.0 / 8.0,
        1.0 / 128.0,
        5.0 / 1024.0,
        -21.0 / 32768.0,
        -399.0 / 262_144.0,
        869.0 / 4_194_304.0,
        39_325.0 / 33_554_432.0,
    ];
    let mut argument = a;
    let mut factor = 1.0;
    // The recurrence, up to where the terms left out are below the rounding.
    while argument < 40.0 {
        factor *= argument / (argument + 0.5);
        argument += 1.0;
    }
    let terms = SERIES.iter().rev();
    factor * argument.sqrt() * terms.fold(0.0, |sum, term| sum / argument + term)
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), for
/// `x < (a + 1) / (a + b + 2)`, by Lentz's method as Thompson and Barnett modified it
/// (Journal of Computational Physics 64, 1986). It takes about `sqrt(max(a, b))` turns.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let nonzero = |value: f64| {
        if value == 0.0 {
            f64::MIN_POSITIVE
        } else {
            value
        }
    };
    let mut fraction = 1.0;
    let (mut c, mut d) = (1.0, 0.0);
    let mut m = 0.0;
    loop {
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        m += 1.0;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let mut change = 1.0;
        for term in [odd, even] {
            d = 1.0 / nonzero(1.0 + term * d);
            c = nonzero(1.0 + term / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() <= f64::EPSILON {
            return 1.0 / fraction;
        }
    }
}
