//! Where axes are labelled, and with what.

/// The smallest of 1, 2 or 5 times a power of ten that makes at most about `most` steps.
fn step(from: f64, to: f64, most: usize) -> f64 {
    let rough = (to - from) / most as f64;
    let power = 10f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors.into_iter().find(|factor| factor * power >= rough);
    let step = factor.unwrap_or(10.0) * power;
    match step.is_finite() && step > 0.0 {
        true => step,
        false => 1.0,
    }
}

/// Round numbers within `from..=to`, about `most` of them, and their labels.
pub(crate) fn linear(from: f64, to: f64, most: usize) -> Vec<(f64, String)> {
    multiples(from, to, most, step(from, to, most))
}

/// Whole epochs within `from..=to`.
pub(crate) fn epochs(from: f64, to: f64, most: usize) -> Vec<(f64, String)> {
    multiples(from, to, most, step(from, to, most).max(1.0).round())
}

fn multiples(from: f64, to: f64, most: usize, step: f64) -> Vec<(f64, String)> {
    let first = (from / step).ceil() as i64;
    let last = (to / step).floor() as i64;
    // Bounded, whatever rounding does.
    let last = last.min(first.saturating_add(4 * most as i64));
    let ticks = (first..=last).map(|count| {
        let value = count as f64 * step;
        (value, label(value, step))
    });
    ticks.collect()
}

fn label(value: f64, step: f64) -> String {
    let exponent = step.log10().floor() as i32;
    let large = value.abs().max(step).log10();
    if exponent < -4 || large >= 6.0 {
        let mantissa = (value / 10f64.powi(exponent)).round();
        return match mantissa == 0.0 {
            true => "0".to_owned(),
            false => format!("{mantissa}e{exponent}"),
        };
    }
    let text = format!("{value:.*}", exponent.min(0).unsigned_abs() as usize);
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        _ => text,
    }
}

/// The decades around the positive values `from..=to`, as their logarithms to base 10.
pub(crate) fn decades(from: f64, to: f64) -> (f64, f64) {
    let (low, high) = (from.log10().floor(), to.log10().ceil());
    (low, if high > low { high } else { low + 1.0 })
}

/// Labels of a log axis between the decades `low` and `high`: logarithm and text.
pub(crate) fn log(low: f64, high: f64) -> Vec<(f64, String)> {
    let (low, high) = (low as i32, high as i32);
    let step = ((high - low) as usize).div_ceil(7).max(1);
    let mut ticks = Vec::new();
    for exponent in (low..=high).step_by(step) {
        ticks.push((f64::from(exponent), power(1, exponent)));
        if high - low <= 2 && exponent < high {
            for factor in [2, 5] {
                let place = f64::from(exponent) + f64::from(factor).log10();
                ticks.push((place, power(factor, exponent)));
            }
        }
    }
    ticks
}

fn power(factor: i32, exponent: i32) -> String {
    match exponent {
        -3..=-1 => {
            let places = exponent.unsigned_abs() as usize;
            format!("{:.places$}", f64::from(factor) * 10f64.powi(exponent))
        }
        0..=4 => format!("{}", factor * 10i32.pow(exponent.unsigned_abs())),
        _ => format!("{factor}e{exponent}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: Vec<(f64, String)>) -> Vec<String> {
        ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn label_shows_a_rounding_error() {
        let ticks = texts(linear(-0.21, 0.42, 6));
        assert_eq!(ticks, ["-0.2", "0.0", "0.2", "0.4"]);
        assert_eq!(texts(linear(0.0, 3e-5, 4)), ["0", "1e-5", "2e-5", "3e-5"]);
        assert_eq!(texts(linear(0.0, 2e6, 2)), ["0", "1e6", "2e6"]);
    }

    #[test]
    fn epoch_between_two_is_labelled() {
        assert_eq!(texts(epochs(0.0, 3.0, 8)), ["0", "1", "2", "3"]);
        assert_eq!(texts(epochs(1.0, 1.0, 8)), ["1"]);
        assert_eq!(
            texts(epochs(0.0, 100.0, 6)),
            ["0", "20", "40", "60", "80", "100"]
        );
    }

    #[test]
    fn epoch_is_lost_to_rounding() {
        for last in 1..200 {
            let ticks = epochs(1.0, f64::from(last), 8);
            assert!(!ticks.is_empty() && ticks.len() <= 10, "{last}");
            assert!(ticks.iter().all(|(place, _)| place.fract() == 0.0));
        }
        assert_eq!(texts(epochs(1.0, 3.0, 10)), ["1", "2", "3"]);
    }

    #[test]
    fn log_axis_misses_its_ends_or_is_crowded() {
        assert_eq!(decades(0.02, 30.0), (-2.0, 2.0));
        assert_eq!(decades(1.0, 1.0), (0.0, 1.0));
        assert_eq!(texts(log(-1.0, 0.0)), ["0.1", "0.2", "0.5", "1"]);
        assert_eq!(texts(log(-4.0, -1.0)), ["1e-4", "0.001", "0.01", "0.1"]);
        assert!(log(-300.0, 300.0).len() < 10);
    }
}
