//! Gradients against finite differences.

/// Wide, as the losses are polynomials of low degree in each value alone, of which a central
/// difference tells the slope but for rounding.
const STEP: f64 = 1e-4;

/// Asserts that `gradient` is the slope of `loss` at `values` along each of them.
#[track_caller]
pub fn assert_slope(what: &str, values: &[f64], gradient: &[f64], loss: impl Fn(&[f64]) -> f64) {
    assert_eq!(values.len(), gradient.len(), "{what}");
    let largest = gradient.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
    assert!(largest > 0.0, "{what} gets no gradient");
    for (at, gradient) in gradient.iter().enumerate() {
        let moved = |by: f64| {
            let mut values = values.to_vec();
            values[at] += by;
            loss(&values)
        };
        let slope = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        assert!(
            (slope - gradient).abs() <= 1e-8 * largest,
            "{what}[{at}]: gradient {gradient}, slope {slope}"
        );
    }
}
