//! Matrices on the host, multiplied in f64, and random numbers for them.
#![allow(dead_code, reason = "each test program uses a part")]

use burn::tensor::{Tensor, TensorData, backend::Backend};
use dacapo_ops::Precision;

/// A batch of row-major matrices.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    pub batch: usize,
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f64>,
}

/// Numbers in (-1, 1) that depend on `seed` alone, exact in f32.
pub fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x853c_49e6_748f_ea9b;
    (0..len)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 - 8_388_608.0) / 8_388_608.0
        })
        .collect()
}

impl Host {
    pub fn random(batch: usize, rows: usize, columns: usize, seed: u64) -> Self {
        let values = numbers(batch * rows * columns, seed);
        Self {
            batch,
            rows,
            columns,
            values: values.into_iter().map(f64::from).collect(),
        }
    }

    /// As a tensor of three dimensions.
    pub fn tensor<B: Backend>(&self, device: &B::Device) -> Tensor<B, 3> {
        let values: Vec<f32> = self.values.iter().map(|x| *x as f32).collect();
        let data = TensorData::new(values, [self.batch, self.rows, self.columns]);
        Tensor::from_data(data, device)
    }

    /// As a tensor of the same values whose *columns* lie together in memory.
    pub fn tensor_transposed<B: Backend>(&self, device: &B::Device) -> Tensor<B, 3> {
        self.transposed().tensor::<B>(device).swap_dims(1, 2)
    }

    pub fn transposed(&self) -> Self {
        let Self {
            batch,
            rows,
            columns,
            ..
        } = *self;
        let mut values = Vec::new();
        for b in 0..batch {
            for j in 0..columns {
                values.extend((0..rows).map(|i| self.at(b, i, j)));
            }
        }
        Self {
            batch,
            rows: columns,
            columns: rows,
            values,
        }
    }

    /// The element; a batch of one stands for any number.
    pub fn at(&self, batch: usize, row: usize, column: usize) -> f64 {
        let batch = batch.min(self.batch - 1);
        self.values[(batch * self.rows + row) * self.columns + column]
    }

    pub fn times(&self, other: &Self) -> Self {
        assert_eq!(self.columns, other.rows);
        let batch = self.batch.max(other.batch);
        let mut values = Vec::new();
        for b in 0..batch {
            for i in 0..self.rows {
                for j in 0..other.columns {
                    let products = (0..self.columns).map(|k| self.at(b, i, k) * other.at(b, k, j));
                    values.push(products.sum());
                }
            }
        }
        Self {
            batch,
            rows: self.rows,
            columns: other.columns,
            values,
        }
    }

    /// The sum over the batch.
    pub fn batch_sum(&self) -> Self {
        let size = self.rows * self.columns;
        let values = (0..size)
            .map(|i| (0..self.batch).map(|b| self.values[b * size + i]).sum())
            .collect();
        Self {
            batch: 1,
            values,
            ..*self
        }
    }

    /// Every element rounded as `precision` rounds operands.
    pub fn rounded(&self, precision: Precision) -> Self {
        let round = |x: f64| match precision {
            Precision::F32 => x,
            Precision::Tf32 => f64::from(round_bits(x as f32, 13)),
            Precision::Bf16 => f64::from(round_bits(x as f32, 16)),
        };
        Self {
            values: self.values.iter().map(|x| round(*x)).collect(),
            ..*self
        }
    }
}

/// `x` without its last `bits` bits, to the nearest, ties to even.
fn round_bits(x: f32, bits: u32) -> f32 {
    let (low, half) = (x.to_bits() & ((1 << bits) - 1), 1 << (bits - 1));
    let down = x.to_bits() - low;
    let odd = (down >> bits) & 1 == 1;
    let up = low > half || (low == half && odd);
    f32::from_bits(down + if up { 1 << bits } else { 0 })
}

/// The largest error over the root mean square.
pub fn error<B: Backend, const D: usize>(found: Tensor<B, D>, wanted: &Host) -> f64 {
    let found: Vec<f32> = found.into_data().to_vec().expect("f32");
    assert_eq!(found.len(), wanted.values.len());
    let squares: f64 = wanted.values.iter().map(|x| x * x).sum();
    let scale = (squares / wanted.values.len() as f64).sqrt();
    let errors = found
        .iter()
        .zip(&wanted.values)
        .map(|(x, y)| (f64::from(*x) - y).abs() / scale);
    errors.fold(0.0, |worst: f64, error| {
        if error.is_nan() {
            f64::INFINITY
        } else {
            worst.max(error)
        }
    })
}

/// The bits of a tensor.
pub fn bits<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<u32> {
    let values: Vec<f32> = tensor.into_data().to_vec().expect("f32");
    values.into_iter().map(f32::to_bits).collect()
}
