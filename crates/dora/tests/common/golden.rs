//! The golden cases, on any backend.

use burn::tensor::{
    DType, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use dacapo_dora::{DoraAdapter, DoraConfig};
use serde::Deserialize;

use super::{relative_error, values};

#[derive(Deserialize)]
pub struct Golden {
    pub peft: Option<String>,
    pub checked_against_peft: usize,
    pub cases: Vec<Case>,
}

#[derive(Deserialize)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

#[derive(Deserialize)]
pub struct Case {
    name: String,
    flavour: dacapo_dora::Flavour,
    rank: usize,
    alpha: f64,
    rate: f64,
    x: Array,
    w: Array,
    b: Option<Array>,
    m: Array,
    lora_a: Array,
    lora_b: Array,
    r: Array,
    mask: Option<Array>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    y: Array,
    merged: Array,
    d_x: Array,
    d_m: Array,
    d_lora_a: Array,
    d_lora_b: Array,
}

pub fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/dora.json")).unwrap()
}

pub fn tensor<B: Backend, const D: usize>(
    array: &Array,
    dtype: DType,
    device: &B::Device,
) -> Tensor<B, D> {
    let data = TensorData::new(array.values.clone(), array.shape.clone());
    Tensor::from_data(data, (device, dtype))
}

/// The relative errors of everything the golden file holds for one case.
fn errors<B: AutodiffBackend, const D: usize>(
    case: &Case,
    dtype: DType,
    device: &B::Device,
) -> Vec<(&'static str, f64)> {
    let weight = tensor::<B, 2>(&case.w, dtype, device).transpose();
    let config = DoraConfig {
        flavour: case.flavour,
        rank: case.rank,
        alpha: case.alpha,
        dropout: case.rate,
    };
    let adapter = DoraAdapter::from_tensors(
        weight.dims(),
        &config,
        "golden",
        tensor::<B, 1>(&case.m, dtype, device),
        tensor(&case.lora_a, dtype, device),
        tensor(&case.lora_b, dtype, device),
    )
    .unwrap();
    let x = tensor::<B, D>(&case.x, dtype, device).require_grad();
    let bias = case.b.as_ref().map(|b| tensor::<B, 1>(b, dtype, device));
    let mask = case
        .mask
        .as_ref()
        .map(|mask| mask.values.iter().map(|&v| v as f32).collect());
    let no_mask = mask.is_none();
    let r = tensor::<B, D>(&case.r, dtype, device);

    let y = adapter.forward_masked(x.clone(), weight.clone(), bias.clone(), mask);
    assert_eq!(y.dtype(), dtype, "{}", case.name);
    let grads = (y.clone() * r.clone()).sum().backward();
    let merged = adapter.merged_weight(weight.clone());
    let expected = &case.expected;
    let compare = |found: Vec<f64>, array: &Array| relative_error(&found, &array.values);
    let mut errors = vec![
        ("y", compare(values(y), &expected.y)),
        (
            "merged",
            compare(values(merged.clone().transpose()), &expected.merged),
        ),
        (
            "d_x",
            compare(values(x.grad(&grads).unwrap()), &expected.d_x),
        ),
    ];
    let mut adapter_errors = |grads: &B::Gradients, names: [&'static str; 3]| {
        let magnitude = adapter.magnitude.val().grad(grads).unwrap();
        let lora_a = adapter.lora_a.val().grad(grads).unwrap();
        let lora_b = adapter.lora_b.val().grad(grads).unwrap();
        errors.extend([
            (names[0], compare(values(magnitude), &expected.d_m)),
            (names[1], compare(values(lora_a), &expected.d_lora_a)),
            (names[2], compare(values(lora_b), &expected.d_lora_b)),
        ]);
    };
    adapter_errors(&grads, ["d_m", "d_lora_a", "d_lora_b"]);
    if no_mask {
        // The merged weight is the same function of the adapter.
        let y = burn::tensor::module::linear(x, merged, bias);
        let grads = (y * r).sum().backward();
        adapter_errors(
            &grads,
            [
                "d_m by merging",
                "d_lora_a by merging",
                "d_lora_b by merging",
            ],
        );
    }
    errors
}

/// Asserts that no error of any case that `chosen` takes by its name is above `tolerance`.
pub fn check<B: AutodiffBackend>(
    chosen: impl Fn(&str) -> bool,
    dtype: DType,
    tolerance: f64,
    device: &B::Device,
) {
    for case in golden().cases {
        if !chosen(&case.name) {
            continue;
        }
        let errors = match case.x.shape.len() {
            1 => errors::<B, 1>(&case, dtype, device),
            2 => errors::<B, 2>(&case, dtype, device),
            3 => errors::<B, 3>(&case, dtype, device),
            rank => panic!("{}: no test for inputs of rank {rank}", case.name),
        };
        for (what, error) in errors {
            assert!(
                error <= tolerance,
                "{}: {what} is off by {error:e} of its largest element, allowed {tolerance:e}",
                case.name
            );
        }
    }
}
