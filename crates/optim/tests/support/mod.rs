//! Shared by the test files.
#![allow(dead_code)]

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use dacapo_optim::{AdamW, AdamWState, ParamSpec};

pub type B = Flex;
pub type Tensors = BTreeMap<String, Tensor<B, 1>>;

/// The generator of `golden/adamw.py`: dyadic fractions in [-1, 1), exact in f32.
#[derive(Clone)]
pub struct Lcg(u64);

impl Lcg {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f64 - 8_388_608.0) / 8_388_608.0
    }

    pub fn take(&mut self, count: usize, scale: f64) -> Vec<f64> {
        (0..count).map(|_| self.next() * scale).collect()
    }
}

pub fn tensor(values: &[f64], dtype: DType) -> Tensor<B, 1> {
    let data = TensorData::new(values.to_vec(), [values.len()]).convert_dtype(dtype);
    Tensor::from_data(data, (&FlexDevice, dtype))
}

pub fn values(tensor: &Tensor<B, 1>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

/// The values of big-endian bits in hex, as the golden files have them.
pub fn unhex(text: &str, dtype: DType) -> Vec<f64> {
    let width = 2 * dtype.size();
    (0..text.len() / width)
        .map(|i| &text[i * width..(i + 1) * width])
        .map(|digits| match dtype {
            DType::F32 => f64::from(f32::from_bits(u32::from_str_radix(digits, 16).unwrap())),
            _ => f64::from_bits(u64::from_str_radix(digits, 16).unwrap()),
        })
        .collect()
}

/// Two parameters of different shapes, as the tests use them.
pub fn specs(dtype: DType) -> BTreeMap<String, ParamSpec> {
    BTreeMap::from([
        ("body.weight".to_string(), ParamSpec::new([5, 7], dtype)),
        ("head.bias".to_string(), ParamSpec::new([6], dtype)),
    ])
}

/// One tensor a parameter, drawn from the generator.
pub fn draw(specs: &BTreeMap<String, ParamSpec>, lcg: &mut Lcg) -> Tensors {
    specs
        .iter()
        .map(|(path, spec)| (path.clone(), tensor(&lcg.take(spec.len(), 1.0), spec.dtype)))
        .collect()
}

/// `steps` steps on drawn gradients.
pub fn steps(
    adamw: &AdamW,
    specs: &BTreeMap<String, ParamSpec>,
    lcg: &mut Lcg,
    steps: usize,
    mut params: Tensors,
    mut state: AdamWState<B>,
) -> (Tensors, AdamWState<B>) {
    for _ in 0..steps {
        let grads = draw(specs, lcg);
        (params, state, _) = adamw.step(state, params, grads, 1.0).unwrap();
    }
    (params, state)
}

/// The bits of every parameter.
pub fn bits(params: &Tensors) -> BTreeMap<String, TensorData> {
    params
        .iter()
        .map(|(path, tensor)| (path.clone(), tensor.to_data()))
        .collect()
}
