//! The same in plain host code, in f64.

/// y, and mean and rstd of each row.
pub fn layer_norm(
    x: &[f64],
    gamma: &[f64],
    beta: Option<&[f64]>,
    eps: f64,
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut y, mut means, mut rstds) = (Vec::new(), Vec::new(), Vec::new());
    let count = gamma.len() as f64;
    for row in x.chunks(gamma.len()) {
        let mean = row.iter().sum::<f64>() / count;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        let rstd = 1.0 / (variance + eps).sqrt();
        for (i, x) in row.iter().enumerate() {
            let shift = beta.map_or(0.0, |beta| beta[i]);
            y.push((x - mean) * rstd * gamma[i] + shift);
        }
        means.push(mean);
        rstds.push(rstd);
    }
    (y, means, rstds)
}

/// The gradient of x.
pub fn layer_norm_backward(x: &[f64], gamma: &[f64], eps: f64, dy: &[f64]) -> Vec<f64> {
    let (_, means, rstds) = layer_norm(x, gamma, None, eps);
    let (width, count) = (gamma.len(), gamma.len() as f64);
    let mut dx = Vec::new();
    for (at, (x, dy)) in x.chunks(width).zip(dy.chunks(width)).enumerate() {
        let h = |i: usize| (x[i] - means[at]) * rstds[at];
        let g = |i: usize| dy[i] * gamma[i];
        let sum = (0..width).map(g).sum::<f64>() / count;
        let along = (0..width).map(|i| g(i) * h(i)).sum::<f64>() / count;
        dx.extend((0..width).map(|i| (g(i) - sum - h(i) * along) * rstds[at]));
    }
    dx
}
