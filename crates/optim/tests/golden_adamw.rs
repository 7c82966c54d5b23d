//! 200 steps beside `torch.optim.AdamW` (`golden/adamw.py`).
//!
//! The moments of every case without `clip_norm` must have PyTorch's bits, in
//! f32 and f64. Otherwise an element agrees if
//! `|ours - theirs| <= relative * |theirs| + absolute`, with the absolute floors
//! of [`Tolerance`] for elements near zero, which keep the rounding of their
//! larger past. Two things of PyTorch's cannot be matched to the bit: its f32
//! square root (MKL's) is not correctly rounded, which moves parameters, and
//! its f32 gradient norm is summed in another order, which moves every gradient
//! of a norm-clipped step by an ulp or two.

mod support;

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor};
use burn_flex::FlexDevice;
use dacapo_optim::{AdamW, AdamWConfig, ParamSpec};
use serde::Deserialize;
use support::{Lcg, tensor, unhex, values};

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
    config: AdamWConfig,
    gamma: f64,
    snapshots: Vec<Snapshot>,
}

#[derive(Deserialize)]
struct Snapshot {
    step: u64,
    grad_norm: f64,
    tensors: BTreeMap<String, BTreeMap<String, String>>,
}

struct Tolerance {
    relative: f64,
    absolute: f64,
    /// The floor where `clip_norm` is on.
    absolute_clipped: f64,
}

/// The largest deviation, in units of what is allowed.
fn deviation(ours: &[f64], theirs: &[f64], relative: f64, absolute: f64) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter()
        .zip(theirs)
        .map(|(a, b)| (a - b).abs() / (relative * b.abs() + absolute))
        .fold(0.0, f64::max)
}

fn check(json: &str, dtype: DType, tolerance: &Tolerance) {
    let golden: Golden = serde_json::from_str(json).unwrap();
    assert_eq!(golden.cases.len(), 11);
    let mut worst = BTreeMap::<String, f64>::new();
    for case in &golden.cases {
        let adamw = AdamW::new(case.config.clone()).unwrap();
        let absolute = match case.config.clip_norm {
            Some(_) => tolerance.absolute_clipped,
            None => tolerance.absolute,
        };
        let specs: BTreeMap<_, _> = golden
            .params
            .iter()
            .map(|p| (p.path.clone(), ParamSpec::new(p.shape.clone(), dtype)))
            .collect();
        let mut lcg = Lcg::new(2026);
        let mut params: BTreeMap<String, Tensor<support::B, 1>> = golden
            .params
            .iter()
            .map(|p| (p.path.clone(), lcg.take(specs[&p.path].len(), 1.0)))
            .map(|(path, values)| (path, tensor(&values, dtype)))
            .collect();
        let mut state = adamw.init(&specs, &FlexDevice).unwrap();
        let mut snapshots = case.snapshots.iter();
        let mut next = snapshots.next();
        for step in 1..=golden.steps {
            let grads = golden
                .params
                .iter()
                .map(|p| {
                    let mut grad = lcg.take(specs[&p.path].len(), p.scale);
                    grad[3] = 0.0;
                    (p.path.clone(), tensor(&grad, dtype))
                })
                .collect();
            let factor = libm::pow(case.gamma, (step - 1) as f64);
            let report;
            (params, state, report) = adamw.step(state, params, grads, factor).unwrap();
            let Some(expected) = next.filter(|snapshot| snapshot.step == step) else {
                continue;
            };
            next = snapshots.next();
            let norm = deviation(
                &[report.grad_norm],
                &[expected.grad_norm],
                tolerance.relative,
                0.0,
            );
            assert!(norm <= 1.0, "{} step {step}: norm", case.name);
            for (path, tensors) in &expected.tensors {
                let moments = &state.moments()[path];
                assert_eq!(moments.step, step);
                assert_eq!(
                    moments.max_exp_avg_sq.is_some(),
                    tensors.contains_key("max_exp_avg_sq")
                );
                for (name, hex) in tensors {
                    let ours = match name.as_str() {
                        "param" => &params[path],
                        "exp_avg" => &moments.exp_avg,
                        "exp_avg_sq" => &moments.exp_avg_sq,
                        "max_exp_avg_sq" => moments.max_exp_avg_sq.as_ref().unwrap(),
                        other => panic!("unknown tensor {other}"),
                    };
                    assert_eq!(ours.dtype(), dtype);
                    let (ours, theirs) = (values(ours), unhex(hex, dtype));
                    let key = format!("{} {name}", case.name);
                    if name != "param" && case.config.clip_norm.is_none() {
                        assert_eq!(ours, theirs, "{key} of {path}, step {step}: other bits");
                    }
                    let d = deviation(&ours, &theirs, tolerance.relative, absolute);
                    let entry = worst.entry(key).or_default();
                    *entry = entry.max(d);
                }
            }
        }
        assert!(next.is_none(), "{}: a snapshot was not reached", case.name);
    }
    for (key, d) in &worst {
        println!("{key}: {d:.3} of the tolerance");
    }
    for (key, d) in &worst {
        assert!(*d <= 1.0, "{key}: {d:.3} times the tolerance");
    }
}

#[test]
fn f32_trajectory_leaves_pytorchs() {
    let tolerance = Tolerance {
        relative: 1e-6,
        absolute: 1e-8,
        // Half an ulp of 1, the order of the gradients.
        absolute_clipped: 1.0 / 16_777_216.0,
    };
    check(
        include_str!("golden/adamw_f32.json"),
        DType::F32,
        &tolerance,
    );
}

#[test]
fn f64_trajectory_leaves_pytorchs() {
    let tolerance = Tolerance {
        relative: 1e-12,
        absolute: 1e-30,
        absolute_clipped: 1e-30,
    };
    check(
        include_str!("golden/adamw_f64.json"),
        DType::F64,
        &tolerance,
    );
}
