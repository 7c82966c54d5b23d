//! The formulas in plain host code and f64.

use super::{Layout, Problem};

/// The tensors of a merge on the host, in the layouts of
/// [`Inputs`](super::Inputs).
#[derive(Clone, Debug)]
pub struct HostInputs {
    /// W, row-major in the problem's layout.
    pub weight: Vec<f64>,
    /// A `[rank, in]`.
    pub lora_a: Vec<f64>,
    /// B `[out, rank]`.
    pub lora_b: Vec<f64>,
    /// m `[out]`.
    pub magnitude: Vec<f64>,
    /// Factor of each element of the update, by element of W; empty for none.
    pub mask: Vec<f64>,
}

/// W' and the norms.
#[derive(Clone, Debug)]
pub struct HostMerged {
    /// W', like W.
    pub weight: Vec<f64>,
    /// n `[out]`.
    pub norm: Vec<f64>,
}

/// The gradients of the trained tensors.
#[derive(Clone, Debug)]
pub struct HostGradients {
    /// Of A.
    pub lora_a: Vec<f64>,
    /// Of B.
    pub lora_b: Vec<f64>,
    /// Of m.
    pub magnitude: Vec<f64>,
}

impl Problem {
    /// Where W holds output `o` and input `i`.
    fn at(&self, o: usize, i: usize) -> usize {
        match self.layout {
            Layout::InOut => i * self.d_out + o,
            Layout::OutIn => o * self.d_in + i,
        }
    }
}

fn mask(inputs: &HostInputs, at: usize) -> f64 {
    inputs.mask.get(at).copied().unwrap_or(1.0)
}

/// V's row of output `o`, `[in]`.
fn v_row(problem: &Problem, inputs: &HostInputs, o: usize) -> Vec<f64> {
    let weight = |i| inputs.weight[problem.at(o, i)];
    let base = if problem.normalised_base {
        let squares: f64 = (0..problem.d_in).map(|i| weight(i) * weight(i)).sum();
        squares.sqrt()
    } else {
        1.0
    };
    let rank = problem.rank;
    (0..problem.d_in)
        .map(|i| {
            let product: f64 = (0..rank)
                .map(|k| inputs.lora_b[o * rank + k] * inputs.lora_a[k * problem.d_in + i])
                .sum();
            let direction = if base == 0.0 { 0.0 } else { weight(i) / base };
            direction + f64::from(problem.scaling) * product * mask(inputs, problem.at(o, i))
        })
        .collect()
}

/// W' and n.
pub fn forward(problem: &Problem, inputs: &HostInputs) -> HostMerged {
    let mut merged = HostMerged {
        weight: vec![0.0; problem.d_in * problem.d_out],
        norm: vec![0.0; problem.d_out],
    };
    for o in 0..problem.d_out {
        let v = v_row(problem, inputs, o);
        let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
        let ratio = match norm + f64::from(problem.eps) {
            0.0 => 1.0,
            denominator => inputs.magnitude[o] / denominator,
        };
        merged.norm[o] = norm;
        for (i, v) in v.iter().enumerate() {
            merged.weight[problem.at(o, i)] = ratio * v;
        }
    }
    merged
}

/// The gradients for `gradient`, that of W'. `full`: through the norm too, else
/// with the norm as a constant.
pub fn backward(
    problem: &Problem,
    inputs: &HostInputs,
    gradient: &[f64],
    full: bool,
) -> HostGradients {
    let (rank, d_in, d_out) = (problem.rank, problem.d_in, problem.d_out);
    let mut result = HostGradients {
        lora_a: vec![0.0; rank * d_in],
        lora_b: vec![0.0; d_out * rank],
        magnitude: vec![0.0; d_out],
    };
    for o in 0..d_out {
        let v = v_row(problem, inputs, o);
        let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
        let denominator = norm + f64::from(problem.eps);
        let t: f64 = (0..d_in).map(|i| gradient[problem.at(o, i)] * v[i]).sum();
        let (ratio, along) = if denominator == 0.0 {
            (1.0, 0.0)
        } else {
            let ratio = inputs.magnitude[o] / denominator;
            result.magnitude[o] = t / denominator;
            let along = if full && norm > 0.0 {
                ratio * t / (norm * denominator)
            } else {
                0.0
            };
            (ratio, along)
        };
        for (i, v) in v.iter().enumerate() {
            let at = problem.at(o, i);
            let update =
                (ratio * gradient[at] - along * v) * f64::from(problem.scaling) * mask(inputs, at);
            for k in 0..rank {
                result.lora_a[k * d_in + i] += inputs.lora_b[o * rank + k] * update;
                result.lora_b[o * rank + k] += inputs.lora_a[k * d_in + i] * update;
            }
        }
    }
    result
}
