//! What adapted layers compute, by loops in f64.

use dacapo_peft::{LayerKind, PeftLayer, Tensor};

/// A tensor of another tool, row by row.
#[derive(Debug, Clone)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl From<&Tensor> for Array {
    fn from(tensor: &Tensor) -> Self {
        Self {
            shape: tensor.shape().to_vec(),
            values: tensor.values().iter().copied().map(f64::from).collect(),
        }
    }
}

/// W' `[out, in·kernel..]` of LoRA, W + s·B·A, and of DoRA, m·V/‖V‖ of that by rows
/// (Liu et al. 2024, arXiv:2402.09353, equation 5).
pub fn merged(layer: &PeftLayer, scaling: f64, weight: &Array) -> Vec<f64> {
    let (a, b) = (layer.a(), layer.b());
    let (outputs, columns) = (b.rows(), a.columns());
    assert_eq!(weight.values.len(), outputs * columns);
    let mut merged = Vec::new();
    for o in 0..outputs {
        for c in 0..columns {
            let base = match layer.kind() {
                // The base's is [in, out].
                LayerKind::Embedding => weight.values[c * outputs + o],
                _ => weight.values[o * columns + c],
            };
            let update: f64 = (0..layer.rank())
                .map(|r| {
                    f64::from(b.values()[o * b.columns() + r])
                        * f64::from(a.values()[r * columns + c])
                })
                .sum();
            merged.push(base + scaling * update);
        }
    }
    if let Some(magnitude) = layer.magnitude() {
        for (row, m) in merged.chunks_mut(columns).zip(magnitude) {
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            for value in row {
                *value *= f64::from(*m) / norm;
            }
        }
    }
    merged
}

/// x·Wᵀ + b for the rows of `x` `[.., in]`.
pub fn linear(weight: &[f64], bias: Option<&Array>, x: &Array) -> Vec<f64> {
    let inputs = *x.shape.last().expect("x has features");
    let mut y = Vec::new();
    for row in x.values.chunks(inputs) {
        for (o, weights) in weight.chunks(inputs).enumerate() {
            let dot: f64 = weights.iter().zip(row).map(|(w, x)| w * x).sum();
            y.push(dot + bias.map_or(0.0, |bias| bias.values[o]));
        }
    }
    y
}

/// Columns of W `[out, in]` for the indices in `x`.
pub fn embedding(weight: &[f64], inputs: usize, x: &Array) -> Vec<f64> {
    let entry = |index: &f64| {
        weight
            .chunks(inputs)
            .map(|row| row[*index as usize])
            .collect::<Vec<_>>()
    };
    x.values.iter().flat_map(entry).collect()
}

/// A convolution of two dimensions without groups over `x` `[n, in, h, w]`.
pub fn conv2d(
    weight: &[f64],
    kernel: [usize; 2],
    bias: Option<&Array>,
    x: &Array,
    stride: [usize; 2],
    padding: [usize; 2],
) -> Vec<f64> {
    let [n, inputs, height, width] = x.shape[..] else {
        panic!("{:?}", x.shape);
    };
    let outputs = weight.len() / (inputs * kernel[0] * kernel[1]);
    let steps = |size: usize, d: usize| (size + 2 * padding[d] - kernel[d]) / stride[d] + 1;
    let mut y = Vec::new();
    for image in 0..n {
        for o in 0..outputs {
            for top in 0..steps(height, 0) {
                for left in 0..steps(width, 1) {
                    let mut sum = bias.map_or(0.0, |bias| bias.values[o]);
                    for i in 0..inputs {
                        for kh in 0..kernel[0] {
                            for kw in 0..kernel[1] {
                                let row = (top * stride[0] + kh).checked_sub(padding[0]);
                                let column = (left * stride[1] + kw).checked_sub(padding[1]);
                                let (Some(row), Some(column)) = (row, column) else {
                                    continue;
                                };
                                if row >= height || column >= width {
                                    continue;
                                }
                                let pixel = ((image * inputs + i) * height + row) * width + column;
                                let tap = ((o * inputs + i) * kernel[0] + kh) * kernel[1] + kw;
                                sum += weight[tap] * x.values[pixel];
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    y
}
