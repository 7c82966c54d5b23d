use cubecl::bytes::Bytes;
use cubecl::client::ComputeClient;
use cubecl::server::Handle;
use dacapo_benches::gpu::Gpu;
use dacapo_kernels::dora_merge::{Inputs, Layout, Problem, Products, Storage};
use half::{bf16, f16};
use serde_json::{Map, Value, json};

/// Output channels whose result is compared with float64.
const CHECKED: usize = 64;

/// One merge: its inputs on the device and, for the check, on the host.
pub struct Case {
    pub problem: Problem,
    pub inputs: Inputs,
    /// dL/dW'.
    pub gradient: Handle,
    weight: Vec<f32>,
    lora_a: Vec<f32>,
    lora_b: Vec<f32>,
    magnitude: Vec<f32>,
}

impl Case {
    /// Seeded values of the size that they have in training.
    pub fn new(
        client: &ComputeClient<Gpu>,
        d_out: usize,
        d_in: usize,
        rank: usize,
        storage: Storage,
        layout: Layout,
        products: Products,
    ) -> Self {
        let problem = Problem {
            d_in,
            d_out,
            rank,
            layout,
            scaling: 2.0,
            eps: 1e-8,
            normalised_base: false,
            weight: storage,
            factors: storage,
            products,
        };
        let spread = 1.0 / (d_in as f32).sqrt();
        let weight = values(d_out * d_in, spread, storage, 1);
        let lora_a = values(rank * d_in, spread, storage, 2);
        let lora_b = values(d_out * rank, 0.02, storage, 3);
        // About the norm of a channel of W.
        let magnitude: Vec<f32> = values(d_out, 0.1, Storage::F32, 4)
            .iter()
            .map(|m| 1.0 + m)
            .collect();
        let gradient = values(d_out * d_in, 1.0, storage, 5);
        let upload = |values: &[f32], storage| client.create(to_bytes(values, storage));
        Self {
            inputs: Inputs {
                weight: upload(&weight, storage),
                lora_a: upload(&lora_a, storage),
                lora_b: upload(&lora_b, storage),
                magnitude: upload(&magnitude, Storage::F32),
                base_norm: None,
                mask: None,
            },
            gradient: upload(&gradient, storage),
            problem,
            weight,
            lora_a,
            lora_b,
            magnitude,
        }
    }

    /// The columns that say which case it is; `more` ends the variant's name.
    pub fn describe(&self, more: &str) -> Map<String, Value> {
        let p = &self.problem;
        let layout = match p.layout {
            Layout::InOut => "[in, out]",
            Layout::OutIn => "[out, in]",
        };
        let (dtype, matmul, products) = match (p.weight, p.products) {
            (Storage::F32, Products::F32) => ("f32", "ieee", ""),
            (Storage::F32, Products::Tf32) => ("f32", "tf32", ""),
            (Storage::Bf16, Products::F32) => ("bf16", "bf16", ", products f32"),
            (Storage::Bf16, Products::Tf32) => ("bf16", "bf16", ", products tf32"),
            (Storage::F16, Products::F32) => ("f16", "f16", ", products f32"),
            (Storage::F16, Products::Tf32) => ("f16", "f16", ", products tf32"),
        };
        let columns = json!({
            "shape": [p.d_out, p.d_in],
            "rank": p.rank,
            "dtype": dtype,
            "matmul": matmul,
            "who": "dacapo",
            "variant": format!("{layout}{products}{more}"),
            "floor_bytes": 2 * p.d_out * p.d_in * p.weight.size(),
        });
        match columns {
            Value::Object(columns) => columns,
            _ => Map::new(),
        }
    }

    /// The largest error of `merged` against float64 in some output channels, relative to the
    /// channel's largest element.
    pub fn error(&self, client: &ComputeClient<Gpu>, merged: Handle) -> f64 {
        let p = &self.problem;
        let found = from_bytes(&client.read_one_unchecked(merged), p.weight);
        let at = |o: usize, i: usize| match p.layout {
            Layout::InOut => i * p.d_out + o,
            Layout::OutIn => o * p.d_in + i,
        };
        let mut worst = 0.0_f64;
        let step = p.d_out.div_ceil(CHECKED);
        // The last channel, too: it is where a tail would go wrong.
        for o in (0..p.d_out).step_by(step).chain([p.d_out - 1]) {
            let v: Vec<f64> = (0..p.d_in)
                .map(|i| {
                    let product: f64 = (0..p.rank)
                        .map(|r| {
                            f64::from(self.lora_b[o * p.rank + r])
                                * f64::from(self.lora_a[r * p.d_in + i])
                        })
                        .sum();
                    f64::from(self.weight[at(o, i)]) + f64::from(p.scaling) * product
                })
                .collect();
            let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt() + f64::from(p.eps);
            let scale = f64::from(self.magnitude[o]) / norm;
            let largest = v
                .iter()
                .fold(0.0_f64, |most, v| most.max((v * scale).abs()));
            for (i, v) in v.iter().enumerate() {
                let off = (f64::from(found[at(o, i)]) - v * scale).abs();
                worst = worst.max(off / largest);
            }
        }
        worst
    }
}

/// Uniform in `[-spread, spread) * sqrt(3)`, so of deviation `spread`, rounded to `storage`.
fn values(n: usize, spread: f32, storage: Storage, seed: u64) -> Vec<f32> {
    let width = spread * 3.0_f32.sqrt();
    (0..n as u64)
        .map(|i| {
            let unit = (mix(i ^ (seed << 40)) >> 40) as f32 / (1_u64 << 24) as f32;
            let value = (2.0 * unit - 1.0) * width;
            match storage {
                Storage::F32 => value,
                Storage::Bf16 => bf16::from_f32(value).to_f32(),
                Storage::F16 => f16::from_f32(value).to_f32(),
            }
        })
        .collect()
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn to_bytes(values: &[f32], storage: Storage) -> Bytes {
    match storage {
        Storage::F32 => Bytes::from_elems(values.to_vec()),
        Storage::Bf16 => Bytes::from_elems(values.iter().map(|v| bf16::from_f32(*v)).collect()),
        Storage::F16 => Bytes::from_elems(values.iter().map(|v| f16::from_f32(*v)).collect()),
    }
}

/// What is read back need not be aligned, so that it cannot be cast.
fn from_bytes(bytes: &[u8], storage: Storage) -> Vec<f32> {
    let (pairs, _) = bytes.as_chunks::<2>();
    match storage {
        Storage::F32 => {
            let (words, _) = bytes.as_chunks::<4>();
            words.iter().map(|b| f32::from_le_bytes(*b)).collect()
        }
        Storage::Bf16 => pairs
            .iter()
            .map(|b| bf16::from_le_bytes(*b).to_f32())
            .collect(),
        Storage::F16 => pairs
            .iter()
            .map(|b| f16::from_le_bytes(*b).to_f32())
            .collect(),
    }
}
