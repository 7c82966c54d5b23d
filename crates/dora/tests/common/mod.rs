//! What the tests share.
#![allow(dead_code)]

pub mod differences;
pub mod golden;

use burn::backend::Autodiff;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData, backend::Backend};
use burn_flex::{Flex, FlexDevice};
use dacapo_dora::{AdapterInit, DoraAdapter, DoraConfig, DoraLinear, Flavour};
use dacapo_rng::Stream;

pub type Plain = Flex;
pub type Ad = Autodiff<Flex>;

pub const FLAVOURS: [Flavour; 2] = [Flavour::Peft, Flavour::ClipHba];
pub const ALL_FLAVOURS: [Flavour; 3] = [Flavour::Peft, Flavour::ClipHba, Flavour::Lora];

pub fn device() -> FlexDevice {
    FlexDevice
}

pub fn config(flavour: Flavour, rank: usize, dropout: f64) -> DoraConfig {
    DoraConfig {
        flavour,
        rank,
        alpha: 2.0 * rank as f64,
        dropout,
        rslora: false,
        init: AdapterInit::Kaiming,
    }
}

/// A stream of its own for each purpose.
pub fn stream(name: &str) -> Stream {
    Stream::keyed(7, name, 0)
}

pub fn uniform<B: burn::tensor::backend::Backend, const D: usize>(
    shape: [usize; D],
    name: &str,
    dtype: DType,
    device: &B::Device,
) -> Tensor<B, D> {
    let mut stream = stream(name);
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|_| 2.0 * stream.uniform_f64() - 1.0)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), (device, dtype))
}

/// A layer of the given dtype; `zero` is an output channel whose weights are 0.
pub fn layer<B: burn::tensor::backend::Backend>(
    d_in: usize,
    d_out: usize,
    bias: bool,
    dtype: DType,
    zero: Option<usize>,
    device: &B::Device,
) -> DoraLinear<B> {
    let mut weight = uniform::<B, 2>([d_in, d_out], "weight", dtype, device);
    if let Some(channel) = zero {
        let column = Tensor::zeros([d_in, 1], (device, dtype));
        weight = weight.slice_assign([0..d_in, channel..channel + 1], column);
    }
    let bias = bias.then(|| Param::from_tensor(uniform([d_out], "bias", dtype, device)));
    DoraLinear::from_params(Param::from_tensor(weight), bias)
}

/// The bits of every element. NaN payloads and signs of zero count.
pub fn bits<B: burn::tensor::backend::Backend, const D: usize>(x: Tensor<B, D>) -> Vec<u8> {
    x.into_data().as_bytes().to_vec()
}

pub fn values<B: burn::tensor::backend::Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
    x.into_data().convert::<f64>().to_vec().unwrap()
}

/// Largest difference, as a part of the largest expected value.
pub fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "number of elements");
    let scale = expected.iter().fold(0.0_f64, |most, e| most.max(e.abs()));
    let worst = found.iter().zip(expected).fold(0.0_f64, |most, (f, e)| {
        let error = (f - e).abs();
        if error.is_nan() {
            f64::INFINITY
        } else {
            most.max(error)
        }
    });
    if worst == 0.0 { 0.0 } else { worst / scale }
}

/// The float parameters' paths and bits, in the module's order.
pub fn tensors<M: Module<Plain>>(module: &M) -> Vec<(String, Vec<u8>)> {
    #[derive(Default)]
    struct Tensors(Vec<String>, Vec<(String, Vec<u8>)>);
    impl ModuleVisitor<Plain> for Tensors {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Plain, D>>) {
            self.1.push((self.0.join("."), bits(param.val())));
        }
    }
    let mut tensors = Tensors::default();
    module.visit(&mut tensors);
    tensors.1
}

/// The paths of a module's float parameters, in its order.
pub fn paths<M: Module<Plain>>(module: &M) -> Vec<String> {
    tensors(module).into_iter().map(|(path, _)| path).collect()
}

/// What `run` gives in a pool of so many threads.
pub fn in_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("threads").install(run)
}

/// m of an adapter of DoRA.
pub fn magnitude<B: Backend>(adapter: &DoraAdapter<B>) -> Tensor<B, 1> {
    adapter.magnitude.as_ref().expect("of DoRA").val()
}
