//! Merges with random tensors, on the host and on the device.

use std::fmt;

use cubecl::prelude::*;
use cubecl::server::Handle;
use dacapo_kernels::dora_merge::reference::HostInputs;
use dacapo_kernels::dora_merge::{self, Inputs, Layout, NormGradient, Problem, Products, Storage};
use dacapo_kernels::dropout_mask::{self, MaskParams};
use dacapo_rng::Stream;
use half::{bf16, f16};

use crate::common::{TestRuntime, client};

/// A problem and its tensors, already rounded to their storage types.
#[derive(Clone, Debug)]
pub struct Case {
    pub problem: Problem,
    pub host: HostInputs,
    /// dL/dW'.
    pub gradient: Vec<f64>,
    /// Of `host.mask`.
    pub mask: Option<MaskParams>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p = &self.problem;
        write!(
            f,
            "in {} out {} rank {} {:?} {:?}/{:?} {:?} normalised {} masked {}",
            p.d_in,
            p.d_out,
            p.rank,
            p.layout,
            p.weight,
            p.factors,
            p.products,
            p.normalised_base,
            self.mask.is_some()
        )
    }
}

/// Largest errors relative to the largest element.
pub struct Tolerance {
    pub merged: f64,
    pub norm: f64,
    pub gradient: f64,
}

impl Case {
    pub fn new(
        d_in: usize,
        d_out: usize,
        rank: usize,
        layout: Layout,
        storage: Storage,
        products: Products,
        normalised_base: bool,
    ) -> Self {
        let problem = Problem {
            d_in,
            d_out,
            rank,
            layout,
            scaling: 0.75,
            eps: if normalised_base { 1e-8 } else { 0.0 },
            normalised_base,
            weight: storage,
            factors: storage,
            products,
        };
        let mut stream = Stream::named((d_in * 1009 + d_out * 31 + rank) as u64, "init");
        let mut values = |n: usize, spread: f64, storage: Storage| -> Vec<f64> {
            (0..n)
                .map(|_| round((stream.uniform_f64() - 0.5) * spread, storage))
                .collect()
        };
        let spread = 2.0 / (d_in as f64).sqrt();
        let host = HostInputs {
            weight: values(d_in * d_out, spread, storage),
            lora_a: values(rank * d_in, spread, storage),
            lora_b: values(d_out * rank, 1.0, storage),
            magnitude: values(d_out, 1.0, Storage::F32),
            mask: Vec::new(),
        };
        let gradient = values(d_in * d_out, 1.0, storage);
        Self {
            problem,
            host,
            gradient,
            mask: None,
        }
    }

    /// Cases at these `[in, out, rank]`, in both layouts. Compiling a case
    /// takes seconds, so storage, precision and base are not multiplied: each
    /// shape takes the next two of their combinations; the next one where
    /// the kernels run in software.
    pub fn all(shapes: &[[usize; 3]]) -> Vec<Self> {
        let mut kinds = Vec::new();
        for storage in storages() {
            for normalised in [false, true] {
                kinds.push((storage, Products::F32, normalised));
                if has_tensor_cores() {
                    kinds.push((storage, Products::Tf32, normalised));
                }
            }
        }
        let mut next = kinds.iter().cycle();
        let mut cases = Vec::new();
        for &[d_in, d_out, rank] in shapes {
            for layout in [Layout::InOut, Layout::OutIn] {
                let taken = if has_tensor_cores() { 2 } else { 1 };
                for (storage, products, normalised) in next.by_ref().take(taken).copied() {
                    cases.push(Self::new(
                        d_in, d_out, rank, layout, storage, products, normalised,
                    ));
                }
            }
        }
        cases
    }

    pub fn at(&self, o: usize, i: usize) -> usize {
        match self.problem.layout {
            Layout::InOut => i * self.problem.d_out + o,
            Layout::OutIn => o * self.problem.d_in + i,
        }
    }

    /// With dropout of the update.
    pub fn with_mask(mut self, rate: f64) -> Self {
        let mask = MaskParams::new([1, 2], [3, 4], rate).expect("a rate");
        let factors = dropout_mask::reference::dropout_mask(&mask, 0, self.host.weight.len());
        self.host.mask = factors.into_iter().map(f64::from).collect();
        self.mask = Some(mask);
        self
    }

    /// Channel `o` of W and of B is 0.
    pub fn with_zero_channel(mut self, o: usize) -> Self {
        for i in 0..self.problem.d_in {
            let at = self.at(o, i);
            self.host.weight[at] = 0.0;
        }
        let rank = self.problem.rank;
        self.host.lora_b[o * rank..(o + 1) * rank].fill(0.0);
        self
    }

    /// W is of the factors' rank, and s·B·A is -(1 - `rest`)·W, up to rounding.
    /// Needs rank = out.
    pub fn with_update_against_weight(mut self, rest: f64) -> Self {
        let Problem {
            d_in, d_out, rank, ..
        } = self.problem;
        assert_eq!(rank, d_out);
        self.host.lora_b.fill(0.0);
        let scaling = f64::from(self.problem.scaling);
        for o in 0..d_out {
            self.host.lora_b[o * rank + o] = 1.0;
            let row: Vec<f64> = (0..d_in).map(|i| self.host.weight[self.at(o, i)]).collect();
            let norm = match self.problem.normalised_base {
                true => row.iter().map(|w| w * w).sum::<f64>().sqrt(),
                false => 1.0,
            };
            for (i, w) in row.iter().enumerate() {
                self.host.lora_a[o * d_in + i] =
                    round(-(1.0 - rest) * w / norm / scaling, Storage::F32);
            }
        }
        self
    }

    pub fn tolerance(&self) -> Tolerance {
        let storage = match self.problem.weight {
            Storage::F32 => 0.0,
            Storage::Bf16 => 1.0 / 256.0,
            Storage::F16 => 1.0 / 2048.0,
        };
        let products = match self.problem.products {
            Products::F32 => 2e-6,
            Products::Tf32 => 1e-3,
        };
        Tolerance {
            merged: storage + products,
            norm: products,
            gradient: 2.0 * storage + 2.0 * products,
        }
    }

    pub fn upload(&self, client: &ComputeClient<TestRuntime>) -> Inputs {
        let (weight, factors) = (self.problem.weight, self.problem.factors);
        let norms = self.problem.normalised_base.then(|| {
            let norms: Vec<f64> = (0..self.problem.d_out)
                .map(|o| {
                    let row = (0..self.problem.d_in).map(|i| self.host.weight[self.at(o, i)]);
                    row.map(|w| w * w).sum::<f64>().sqrt()
                })
                .collect();
            upload(client, &norms, Storage::F32)
        });
        Inputs {
            weight: upload(client, &self.host.weight, weight),
            lora_a: upload(client, &self.host.lora_a, factors),
            lora_b: upload(client, &self.host.lora_b, factors),
            magnitude: upload(client, &self.host.magnitude, Storage::F32),
            base_norm: norms,
            mask: self.mask,
        }
    }

    /// W' and the norm.
    pub fn forward(&self) -> (Vec<f64>, Vec<f64>) {
        let client = client();
        let inputs = self.upload(&client);
        let merged = dora_merge::forward(&client, &self.problem, &inputs).unwrap();
        (
            download(&client, merged.weight, self.problem.weight),
            download(&client, merged.norm, Storage::F32),
        )
    }

    /// The gradients of A, B and m, joined.
    pub fn backward(&self, through: NormGradient) -> [Vec<f64>; 3] {
        let client = client();
        let inputs = self.upload(&client);
        let merged = dora_merge::forward(&client, &self.problem, &inputs).unwrap();
        let gradient = upload(&client, &self.gradient, self.problem.weight);
        let gradients = dora_merge::backward(
            &client,
            &self.problem,
            &inputs,
            &merged.norm,
            &gradient,
            through,
        )
        .unwrap();
        [
            download(&client, gradients.lora_a, self.problem.factors),
            download(&client, gradients.lora_b, self.problem.factors),
            download(&client, gradients.magnitude, Storage::F32),
        ]
    }

    pub fn norm(&self) -> Vec<f64> {
        let client = client();
        let inputs = self.upload(&client);
        let norm = dora_merge::norm(&client, &self.problem, &inputs).unwrap();
        download(&client, norm, Storage::F32)
    }
}

pub fn has_tensor_cores() -> bool {
    let case = Case::new(8, 8, 2, Layout::InOut, Storage::F32, Products::F32, false);
    dora_merge::uses_tensor_cores(&client(), &case.problem)
}

/// The storage types that the device computes with.
pub fn storages() -> Vec<Storage> {
    let client = client();
    let mut found = vec![Storage::F32];
    if client.properties().supports_type(f16::cube_type()) {
        found.push(Storage::F16);
    }
    if client.properties().supports_type(bf16::cube_type()) {
        found.push(Storage::Bf16);
    }
    found
}

pub fn round(value: f64, storage: Storage) -> f64 {
    match storage {
        Storage::F32 => f64::from(value as f32),
        Storage::Bf16 => bf16::from_f64(value).to_f64(),
        Storage::F16 => f16::from_f64(value).to_f64(),
    }
}

pub fn upload(client: &ComputeClient<TestRuntime>, values: &[f64], storage: Storage) -> Handle {
    let mut bytes = Vec::new();
    for &value in values {
        match storage {
            Storage::F32 => bytes.extend((value as f32).to_le_bytes()),
            Storage::Bf16 => bytes.extend(bf16::from_f64(value).to_le_bytes()),
            Storage::F16 => bytes.extend(f16::from_f64(value).to_le_bytes()),
        }
    }
    client.create_from_slice(&bytes)
}

pub fn download(client: &ComputeClient<TestRuntime>, handle: Handle, storage: Storage) -> Vec<f64> {
    let bytes = client.read_one_unchecked(handle);
    match storage {
        Storage::F32 => bytes
            .chunks_exact(4)
            .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())))
            .collect(),
        Storage::Bf16 => bytes
            .chunks_exact(2)
            .map(|b| bf16::from_le_bytes(b.try_into().unwrap()).to_f64())
            .collect(),
        Storage::F16 => bytes
            .chunks_exact(2)
            .map(|b| f16::from_le_bytes(b.try_into().unwrap()).to_f64())
            .collect(),
    }
}

/// The largest difference, relative to the largest element. Infinite for what is
/// not a number.
pub fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    error_over(found, expected, expected)
}

/// The largest difference, relative to the largest of `parts`.
pub fn error_over(found: &[f64], expected: &[f64], parts: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = parts.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let mut worst = 0.0_f64;
    for (f, e) in found.iter().zip(expected) {
        if !f.is_finite() {
            return f64::INFINITY;
        }
        worst = worst.max((f - e).abs());
    }
    if worst == 0.0 { 0.0 } else { worst / largest }
}
