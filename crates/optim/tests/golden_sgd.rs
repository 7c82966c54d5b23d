//! 100 steps beside `torch.optim.SGD` (`golden/sgd.py`): parameters and buffers must have
//! PyTorch's bits, in f32 and f64. Only where `clip_norm` is on, whose f32 norm PyTorch sums in
//! another order, a difference of a few ulps is allowed.

mod support;

use std::collections::BTreeMap;

use burn::tensor::DType;
use dacapo_optim::{ParamSpec, Sgd, SgdConfig};
use serde::Deserialize;
use support::{Lcg, Tensors, tensor, unhex, values};

#[derive(Deserialize)]
struct Golden {
    steps: u64,
    params: Vec<Param>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Param {
    path: String,
    shape: Vec<usize>,
    scale: f64,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    config: SgdConfig,
    slope: f64,
    snapshots: Vec<Snapshot>,
}

#[derive(Deserialize)]
struct Snapshot {
    step: u64,
    tensors: BTreeMap<String, BTreeMap<String, String>>,
}

fn check(json: &str, dtype: DType, clipped: f64) {
    let golden: Golden = serde_json::from_str(json).unwrap();
    assert_eq!(golden.cases.len(), 10);
    for case in &golden.cases {
        let sgd = Sgd::new(case.config.clone()).unwrap();
        let params = golden.params.iter();
        let specs: BTreeMap<_, _> = params
            .map(|p| (p.path.clone(), ParamSpec::new(p.shape.clone(), dtype)))
            .collect();
        let mut lcg = Lcg::new(2026);
        let mut draw = |scaled: bool| -> Tensors {
            let draw = |p: &Param| {
                let scale = if scaled { p.scale } else { 1.0 };
                let drawn = lcg.take(specs[&p.path].len(), scale);
                (p.path.clone(), tensor(&drawn, dtype))
            };
            golden.params.iter().map(draw).collect()
        };
        let mut params = draw(false);
        let mut state = sgd.init::<support::B>(&specs).unwrap();
        let mut snapshots = case.snapshots.iter().peekable();
        for step in 1..=golden.steps {
            let factor = 1.0 - case.slope * (step - 1) as f64;
            (params, state, _) = sgd.step(state, params, draw(true), factor).unwrap();
            let Some(expected) = snapshots.next_if(|snapshot| snapshot.step == step) else {
                continue;
            };
            for (path, tensors) in &expected.tensors {
                let momentum = &state.momenta()[path];
                assert_eq!(momentum.step, step);
                let buffer = &momentum.momentum_buffer;
                assert_eq!(buffer.is_some(), tensors.contains_key("momentum_buffer"));
                for (name, hex) in tensors {
                    let ours = match name.as_str() {
                        "param" => &params[path],
                        _ => buffer.as_ref().unwrap(),
                    };
                    assert_eq!(ours.dtype(), dtype);
                    let (ours, theirs) = (values(ours), unhex(hex, dtype));
                    let at = format!("{} {name} of {path}, step {step}", case.name);
                    match case.config.clip_norm {
                        None => assert_eq!(ours, theirs, "{at}: other bits"),
                        Some(_) => {
                            let apart = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs());
                            let apart = apart.fold(0.0, f64::max);
                            assert!(apart <= clipped, "{at}: {apart:e}");
                        }
                    }
                }
            }
        }
        assert!(snapshots.next().is_none(), "{}: too few steps", case.name);
    }
}

#[test]
fn f32_trajectory_leaves_pytorchs() {
    // A few ulps of the parameters, which are below 1.
    let clipped = 4.0 / 16_777_216.0;
    check(include_str!("golden/sgd_f32.json"), DType::F32, clipped);
}

#[test]
fn f64_trajectory_leaves_pytorchs() {
    check(include_str!("golden/sgd_f64.json"), DType::F64, 1e-15);
}
