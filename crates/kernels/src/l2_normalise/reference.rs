//! The same in plain host code, in f64.

/// y of one row, and its norm.
pub fn l2_normalise(x: &[f64]) -> (Vec<f64>, f64) {
    let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    (x.iter().map(|x| x / norm).collect(), norm)
}

/// dx of one row.
pub fn l2_normalise_backward(y: &[f64], norm: f64, dy: &[f64]) -> Vec<f64> {
    let along: f64 = y.iter().zip(dy).map(|(y, dy)| y * dy).sum();
    y.iter()
        .zip(dy)
        .map(|(y, dy)| (dy - along * y) / norm)
        .collect()
}
