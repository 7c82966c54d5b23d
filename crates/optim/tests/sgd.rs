//! SGD's record, and the optimizer that a configuration chooses: bits survive, resuming is
//! exact, and loading fails closed.

mod support;

use burn::record::{HalfPrecisionSettings, NamedMpkBytesRecorder, Recorder};
use burn::tensor::DType;
use burn_flex::FlexDevice;
use dacapo_optim::{
    AdamWConfig, OptimError, Optimizer, OptimizerConfig, OptimizerRecord, SgdConfig, SgdGroup,
    SgdRecord,
};
use proptest::prelude::*;
use support::{B, Lcg, bits, draw, specs};

type Edit = fn(&mut SgdRecord);

fn config() -> SgdConfig {
    SgdConfig {
        lr: 0.05,
        momentum: 0.9,
        groups: vec![SgdGroup {
            pattern: "*.bias".to_string(),
            momentum: Some(0.0),
            ..SgdGroup::default()
        }],
        ..SgdConfig::default()
    }
}

/// Through a burn recorder and back.
fn recorded(record: OptimizerRecord) -> OptimizerRecord {
    let recorder = NamedMpkBytesRecorder::<HalfPrecisionSettings>::default();
    let bytes = Recorder::<B>::record(&recorder, record, ()).unwrap();
    Recorder::<B>::load(&recorder, bytes, &FlexDevice).unwrap()
}

fn load(record: &OptimizerRecord, config: OptimizerConfig) -> Result<Optimizer<B>, OptimError> {
    Optimizer::from_record(record, &specs(DType::F32), &config, &FlexDevice)
}

/// A record of a state three steps in.
fn record(config: &OptimizerConfig) -> OptimizerRecord {
    let specs = specs(DType::F32);
    let mut lcg = Lcg::new(5);
    let mut params = draw(&specs, &mut lcg);
    let mut optimizer = Optimizer::<B>::new(config, &specs, &FlexDevice).unwrap();
    for _ in 0..3 {
        let grads = draw(&specs, &mut lcg);
        (params, _) = optimizer.step(params, grads, 1.0).unwrap();
    }
    optimizer.to_record().unwrap()
}

proptest! {
    #[test]
    fn stop_forgets_the_buffer(stop in 0_usize..8, seed in 0_u64..1000, nesterov: bool) {
        for dtype in [DType::F32, DType::F64] {
            let specs = specs(dtype);
            let mut config = SgdConfig { nesterov, ..config() };
            config.groups[0].nesterov = Some(false);
            let config = config.into();
            let mut optimizer = Optimizer::<B>::new(&config, &specs, &FlexDevice).unwrap();
            let mut lcg = Lcg::new(seed);
            let mut params = draw(&specs, &mut lcg);
            let mut other = None;
            for step in 0..8 {
                if step == stop {
                    let record = recorded(optimizer.to_record().unwrap());
                    let loaded = Optimizer::<B>::from_record(&record, &specs, &config, &FlexDevice);
                    other = Some((loaded.unwrap(), params.clone()));
                }
                let grads = draw(&specs, &mut lcg);
                if let Some((optimizer, params)) = &mut other {
                    (*params, _) = optimizer.step(params.clone(), grads.clone(), 0.5).unwrap();
                }
                (params, _) = optimizer.step(params, grads, 0.5).unwrap();
            }
            let (other, others) = other.unwrap();
            prop_assert_eq!(bits(&params), bits(&others));
            prop_assert_eq!(optimizer.to_record().unwrap(), other.to_record().unwrap());
        }
    }
}

#[test]
fn configuration_is_read_as_the_other_optimizers() {
    let read = |text: &str| serde_json::from_str::<OptimizerConfig>(text);
    assert_eq!(read("{}").unwrap(), AdamWConfig::default().into());
    assert_eq!(
        read(r#"{"kind": "adamw", "beta1": 0.8}"#).unwrap(),
        AdamWConfig {
            beta1: 0.8,
            ..AdamWConfig::default()
        }
        .into()
    );
    assert_eq!(
        read(r#"{"kind": "sgd", "momentum": 0.8}"#).unwrap(),
        SgdConfig {
            momentum: 0.8,
            ..SgdConfig::default()
        }
        .into()
    );
    for (text, key) in [
        (r#"{"momentum": 0.9}"#, "momentum"),
        (r#"{"kind": "sgd", "beta1": 0.9}"#, "beta1"),
        (
            r#"{"kind": "sgd", "groups": [{"pattern": "*", "eps": 0.9}]}"#,
            "groups[0].eps",
        ),
        (r#"{"kind": "lion"}"#, "lion"),
        (r#"{"kind": "sgd", "speed": 1}"#, "speed"),
    ] {
        let refusal = read(text).unwrap_err().to_string();
        assert!(refusal.contains(&format!("`{key}`")), "{text}: {refusal}");
    }
    for config in [config().into(), OptimizerConfig::default()] {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(read(&text).unwrap(), config, "{text}");
    }
}

#[test]
fn setting_out_of_range_is_used() {
    for (key, config) in [
        (
            "lr",
            SgdConfig {
                lr: f64::NAN,
                ..config()
            },
        ),
        (
            "momentum",
            SgdConfig {
                momentum: -0.1,
                ..config()
            },
        ),
        (
            "dampening",
            SgdConfig {
                dampening: f64::INFINITY,
                ..config()
            },
        ),
        (
            "weight_decay",
            SgdConfig {
                weight_decay: -1.0,
                ..config()
            },
        ),
        (
            "nesterov",
            SgdConfig {
                nesterov: true,
                dampening: 0.1,
                ..config()
            },
        ),
        (
            "groups[0].nesterov",
            SgdConfig {
                nesterov: true,
                ..config()
            },
        ),
        (
            "clip_norm",
            SgdConfig {
                clip_norm: Some(0.0),
                ..config()
            },
        ),
    ] {
        let refusal = config.validate().unwrap_err().to_string();
        assert!(refusal.contains(&format!("`{key}`")), "{key}: {refusal}");
    }
}

#[test]
fn record_of_another_run_is_accepted() {
    let sgd = record(&config().into());
    load(&sgd, config().into()).expect("its own");
    let refusal = |record: &OptimizerRecord, config| load(record, config).unwrap_err().to_string();

    let other = SgdConfig {
        momentum: 0.8,
        ..config()
    };
    assert!(refusal(&sgd, other.into()).contains("`momentum`: expected 0.9"));
    let adamw = record(&OptimizerConfig::default());
    for (record, config) in [
        (&sgd, OptimizerConfig::default()),
        (&adamw, config().into()),
    ] {
        assert!(refusal(record, config).contains("`kind`"));
    }

    let OptimizerRecord::Sgd(sgd) = sgd else {
        panic!("the state is SGD's");
    };
    let edits: [(&str, Edit); 5] = [
        ("params.body.weight.momentum_buffer", |record| {
            record
                .params
                .get_mut("body.weight")
                .unwrap()
                .momentum_buffer = None;
        }),
        ("params.head.bias.momentum_buffer", |record| {
            let buffer = record.params["body.weight"].momentum_buffer.clone();
            record.params.get_mut("head.bias").unwrap().momentum_buffer = buffer;
        }),
        ("params.body.weight.momentum_buffer", |record| {
            record.params.get_mut("body.weight").unwrap().step = 0;
        }),
        ("params.head.bias", |record| {
            record.params.remove("head.bias");
        }),
        ("params.tail", |record| {
            let moved = record.params.remove("head.bias").unwrap();
            record.params.insert("tail".to_string(), moved);
        }),
    ];
    for (path, edit) in edits {
        let mut record = sgd.clone();
        edit(&mut record);
        let refusal = refusal(&OptimizerRecord::Sgd(record), config().into());
        assert!(refusal.contains(path), "{path}: {refusal}");
    }
}

/// Every leaf that a recorded configuration lacks is named; none is filled in.
#[test]
fn missing_key_of_a_record_is_filled_in() {
    for config in [config().into(), OptimizerConfig::default()] {
        let whole = serde_json::to_value(record(&config)).unwrap();
        let read =
            |value: &serde_json::Value| serde_json::from_str::<OptimizerRecord>(&value.to_string());
        assert_eq!(read(&whole).unwrap(), record(&config));
        let keys: Vec<String> = whole["config"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        for key in keys.iter().filter(|key| *key != "kind") {
            let mut less = whole.clone();
            less["config"].as_object_mut().unwrap().remove(key);
            let refusal = read(&less).unwrap_err().to_string();
            assert!(
                refusal.contains(&format!("missing field `{key}`")),
                "{refusal}"
            );
        }
        for part in ["config", "params"] {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(part);
            assert!(read(&less).is_err(), "without {part}");
        }
    }
}
