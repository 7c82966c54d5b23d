//! The same in plain host code, in f64.

/// y of one row.
pub fn softmax(x: &[f64], scale: f64) -> Vec<f64> {
    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = x.iter().map(|x| (scale * (x - largest)).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// dx of one row.
pub fn softmax_backward(y: &[f64], dy: &[f64], scale: f64) -> Vec<f64> {
    let along: f64 = y.iter().zip(dy).map(|(y, dy)| y * dy).sum();
    y.iter()
        .zip(dy)
        .map(|(y, dy)| scale * y * (dy - along))
        .collect()
}
