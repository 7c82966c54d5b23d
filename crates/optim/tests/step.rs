//! The step: what it refuses, clipping, and that it is a function.

mod support;

use std::collections::BTreeMap;

use burn::tensor::DType;
use burn_flex::FlexDevice;
use dacapo_optim::{AdamW, AdamWConfig, AdamWState, OptimError, ParamGroup, ParamSpec, StepReport};
use proptest::prelude::*;
use support::{B, Lcg, Tensors, bits, draw, specs, steps, tensor, values};

fn adamw(edit: impl FnOnce(&mut AdamWConfig)) -> AdamW {
    let mut config = AdamWConfig::default();
    edit(&mut config);
    AdamW::new(config).unwrap()
}

fn start(adamw: &AdamW, dtype: DType) -> (Tensors, Tensors, AdamWState<B>) {
    let specs = specs(dtype);
    let mut lcg = Lcg::new(1);
    let params = draw(&specs, &mut lcg);
    let grads = draw(&specs, &mut lcg);
    let state = adamw.init(&specs, &FlexDevice).unwrap();
    (params, grads, state)
}

/// The error of a first step whose arguments were spoilt.
fn refused(adamw: &AdamW, spoil: impl FnOnce(&mut Tensors, &mut Tensors)) -> OptimError {
    let (mut params, mut grads, state) = start(adamw, DType::F32);
    spoil(&mut params, &mut grads);
    adamw.step(state, params, grads, 1.0).unwrap_err()
}

#[test]
fn unmatched_parameter_or_gradient_is_skipped() {
    let adamw = adamw(|_| ());
    let head = || "head.bias".to_string();
    assert_eq!(
        refused(&adamw, |_, grads| drop(grads.remove("head.bias"))),
        OptimError::MissingGradient { path: head() }
    );
    assert_eq!(
        refused(&adamw, |params, _| drop(params.remove("head.bias"))),
        OptimError::UnexpectedGradient {
            path: head(),
            available: "body.weight".to_string()
        }
    );
    assert_eq!(
        refused(&adamw, |params, grads| {
            params.remove("head.bias");
            grads.remove("head.bias");
        }),
        OptimError::UnexpectedState { path: head() }
    );
    assert_eq!(
        refused(&adamw, |params, grads| {
            for tensors in [params, grads] {
                tensors.insert("new".to_string(), tensor(&[1.0], DType::F32));
            }
        }),
        OptimError::MissingState {
            path: "new".to_string()
        }
    );
}

#[test]
fn other_length_or_dtype_panics_in_the_backend() {
    let adamw = adamw(|_| ());
    let error = refused(&adamw, |_, grads| {
        grads.insert("head.bias".to_string(), tensor(&[1.0; 5], DType::F32));
    });
    assert!(matches!(
        error,
        OptimError::LengthMismatch {
            what: "gradient",
            expected: 6,
            found: 5,
            ..
        }
    ));
    let error = refused(&adamw, |_, grads| {
        grads.insert("head.bias".to_string(), tensor(&[1.0; 6], DType::F64));
    });
    assert!(matches!(
        error,
        OptimError::DTypeMismatch {
            what: "gradient",
            ..
        }
    ));
    let error = refused(&adamw, |params, grads| {
        for tensors in [params, grads] {
            tensors.insert("head.bias".to_string(), tensor(&[1.0; 7], DType::F32));
        }
    });
    assert!(matches!(
        error,
        OptimError::LengthMismatch {
            what: "moments",
            expected: 7,
            found: 6,
            ..
        }
    ));
    let error = refused(&adamw, |params, grads| {
        for tensors in [params, grads] {
            tensors.insert("head.bias".to_string(), tensor(&[1.0; 6], DType::F64));
        }
    });
    assert!(matches!(
        error,
        OptimError::DTypeMismatch {
            what: "moments",
            ..
        }
    ));
}

#[test]
fn amsgrad_is_switched_under_a_running_state() {
    let with = adamw(|config| config.amsgrad = true);
    let without = adamw(|_| ());
    let (params, grads, state) = start(&without, DType::F32);
    let error = with.step(state, params, grads, 1.0).unwrap_err();
    assert!(
        matches!(error, OptimError::AmsgradMismatch { .. }),
        "{error}"
    );
    let (params, grads, state) = start(&with, DType::F32);
    let error = without.step(state, params, grads, 1.0).unwrap_err();
    assert!(
        matches!(error, OptimError::AmsgradMismatch { .. }),
        "{error}"
    );
}

#[test]
fn gradient_that_is_not_finite_reaches_the_parameters() {
    let plain = adamw(|_| ());
    let by_norm = adamw(|config| config.clip_norm = Some(1.0));
    let by_value = adamw(|config| config.clip_value = Some(1.0));
    for (bad, adamw) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
        .into_iter()
        .flat_map(|bad| [(bad, &plain), (bad, &by_norm), (bad, &by_value)])
    {
        let error = refused(adamw, |_, grads| {
            let values = [0.0, 1.0, bad, 0.0, 0.0, 0.0];
            grads.insert("head.bias".to_string(), tensor(&values, DType::F32));
        });
        match error {
            OptimError::NonFiniteGradient { path, norm } => {
                assert_eq!(path, "head.bias");
                assert_eq!(norm.is_nan(), bad.is_nan(), "{norm}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn square_that_overflows_f32_becomes_a_zero_gradient() {
    let error = refused(&adamw(|config| config.clip_norm = Some(1.0)), |_, grads| {
        grads.insert("head.bias".to_string(), tensor(&[1e30; 6], DType::F32));
    });
    match error {
        OptimError::NonFiniteGradient { path, norm } => {
            assert_eq!((path.as_str(), norm), ("head.bias", f64::INFINITY));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn learning_rate_factor_is_not_checked() {
    for factor in [f64::NAN, f64::INFINITY, -1.0] {
        let adamw = adamw(|_| ());
        let (params, grads, state) = start(&adamw, DType::F32);
        let error = adamw.step(state, params, grads, factor).unwrap_err();
        assert!(matches!(error, OptimError::InvalidValue { .. }), "{error}");
    }
}

fn report(edit: impl FnOnce(&mut AdamWConfig), grad: &[f64]) -> StepReport {
    let specs = BTreeMap::from([("p".to_string(), ParamSpec::new([grad.len()], DType::F64))]);
    let adamw = adamw(edit);
    let state: AdamWState<B> = adamw.init(&specs, &FlexDevice).unwrap();
    let params = draw(&specs, &mut Lcg::new(3));
    let grads = BTreeMap::from([("p".to_string(), tensor(grad, DType::F64))]);
    adamw.step(state, params, grads, 1.0).unwrap().2
}

#[test]
fn report_takes_the_norm_at_another_place() {
    let expect = |grad_norm, clipped| StepReport { grad_norm, clipped };
    assert_eq!(report(|_| (), &[3.0, -4.0]), expect(5.0, false));
    assert_eq!(
        report(|c| c.clip_norm = Some(1.0), &[3.0, -4.0]),
        expect(5.0, true)
    );
    assert_eq!(
        report(|c| c.clip_norm = Some(6.0), &[3.0, -4.0]),
        expect(5.0, false)
    );
    assert_eq!(
        report(|c| c.clip_value = Some(3.0), &[0.0, -4.0]),
        expect(3.0, true)
    );
    assert_eq!(
        report(|c| c.clip_value = Some(4.0), &[3.0, -4.0]),
        expect(5.0, false)
    );
}

#[test]
fn zero_rate_or_zero_gradient_moves_a_parameter() {
    let adamw = adamw(|config| config.weight_decay = 0.0);
    let (params, grads, state) = start(&adamw, DType::F32);
    let before = bits(&params);
    let (after, state, _) = adamw.step(state, params, grads, 0.0).unwrap();
    assert_eq!(bits(&after), before);
    assert_eq!(state.moments()["head.bias"].step, 1);

    let (params, grads, state) = start(&adamw, DType::F32);
    let zeros = grads
        .iter()
        .map(|(path, grad)| (path.clone(), grad.zeros_like()))
        .collect();
    let (after, _, _) = adamw.step(state, params, zeros, 1.0).unwrap();
    assert_eq!(bits(&after), before);
}

#[test]
fn one_parameters_group_leaks_into_another() {
    let base = adamw(|_| ());
    let grouped = adamw(|config| {
        config.groups = vec![ParamGroup {
            pattern: "head.*".to_string(),
            lr: Some(0.5),
            ..ParamGroup::default()
        }];
    });
    let run = |adamw: &AdamW| {
        let (params, _, state) = start(adamw, DType::F32);
        steps(
            adamw,
            &specs(DType::F32),
            &mut Lcg::new(9),
            5,
            params,
            state,
        )
        .0
    };
    let (base, grouped) = (bits(&run(&base)), bits(&run(&grouped)));
    assert_eq!(base["body.weight"], grouped["body.weight"]);
    assert_ne!(base["head.bias"], grouped["head.bias"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    // Buffers are shared between clones and written in place when they are not:
    // a step that wrote into a shared one would change the caller's state.
    #[test]
    fn step_writes_into_shared_tensors(seed in any::<u64>(), amsgrad in any::<bool>()) {
        let adamw = adamw(|config| {
            config.amsgrad = amsgrad;
            config.clip_norm = Some(0.5);
            config.clip_value = Some(0.5);
        });
        let specs = specs(DType::F32);
        let mut lcg = Lcg::new(seed);
        let params = draw(&specs, &mut lcg);
        let grads = draw(&specs, &mut lcg);
        let state: AdamWState<B> = adamw.init(&specs, &FlexDevice).unwrap();
        let before = (bits(&params), bits(&grads), state.to_record(&adamw).unwrap());
        let first = adamw.step(state.clone(), params.clone(), grads.clone(), 1.0).unwrap();
        let after = (bits(&params), bits(&grads), state.to_record(&adamw).unwrap());
        prop_assert_eq!(before, after);
        let second = adamw.step(state, params, grads, 1.0).unwrap();
        prop_assert_eq!(bits(&first.0), bits(&second.0));
        prop_assert_eq!(first.1.to_record(&adamw).unwrap(), second.1.to_record(&adamw).unwrap());
        prop_assert_eq!(first.2, second.2);
    }

    #[test]
    fn clipped_gradient_is_longer_than_the_limit(seed in any::<u64>(), limit in 0.01f64..3.0) {
        // With beta1 = 0 the first moment is the gradient that was used.
        let adamw = adamw(|config| {
            config.beta1 = 0.0;
            config.clip_norm = Some(limit);
        });
        let specs = specs(DType::F64);
        let mut lcg = Lcg::new(seed);
        let params = draw(&specs, &mut lcg);
        let grads = draw(&specs, &mut lcg);
        let state: AdamWState<B> = adamw.init(&specs, &FlexDevice).unwrap();
        let (_, state, report) = adamw.step(state, params, grads, 1.0).unwrap();
        let used: f64 = state
            .moments()
            .values()
            .flat_map(|moments| values(&moments.exp_avg))
            .map(|value| value * value)
            .sum::<f64>()
            .sqrt();
        prop_assert_eq!(report.clipped, report.grad_norm > limit);
        let expected = report.grad_norm.min(limit);
        prop_assert!((used - expected).abs() <= 1e-5 * expected, "{} {}", used, expected);
    }
}
