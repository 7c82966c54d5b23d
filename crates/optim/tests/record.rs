//! The record: bits survive, resuming is exact, and loading fails closed.

mod support;

use std::collections::BTreeMap;

use burn::record::{
    DoublePrecisionSettings, FullPrecisionSettings, HalfPrecisionSettings, NamedMpkBytesRecorder,
    PrecisionSettings, Recorder,
};
use burn::tensor::{DType, TensorData};
use burn_flex::FlexDevice;
use dacapo_optim::{
    AdamW, AdamWConfig, AdamWRecord, AdamWState, MomentsRecord, OptimError, ParamGroup, ParamSpec,
};
use proptest::prelude::*;
use support::{B, Lcg, bits, draw, specs, steps};

/// Through a burn recorder and back.
fn recorded<S: PrecisionSettings>(record: AdamWRecord) -> AdamWRecord {
    let recorder = NamedMpkBytesRecorder::<S>::default();
    let bytes = Recorder::<B>::record(&recorder, record, ()).unwrap();
    Recorder::<B>::load(&recorder, bytes, &FlexDevice).unwrap()
}

fn config() -> AdamWConfig {
    AdamWConfig {
        clip_norm: Some(2.0),
        groups: vec![ParamGroup {
            pattern: "*.bias".to_string(),
            amsgrad: Some(true),
            ..ParamGroup::default()
        }],
        ..AdamWConfig::default()
    }
}

/// A record of a state three steps in.
fn record(dtype: DType) -> (AdamWRecord, BTreeMap<String, ParamSpec>) {
    let adamw = AdamW::new(config()).unwrap();
    let specs = specs(dtype);
    let mut lcg = Lcg::new(5);
    let params = draw(&specs, &mut lcg);
    let state = adamw.init(&specs, &FlexDevice).unwrap();
    let (_, state) = steps(&adamw, &specs, &mut lcg, 3, params, state);
    assert_eq!(state.specs(), specs);
    (state.to_record(&adamw).unwrap(), specs)
}

fn load(
    record: &AdamWRecord,
    specs: &BTreeMap<String, ParamSpec>,
    config: &AdamWConfig,
) -> Result<AdamWState<B>, OptimError> {
    AdamWState::from_record(record, specs, config, &FlexDevice)
}

#[test]
fn precision_settings_convert_a_moment() {
    for dtype in [DType::F32, DType::F64] {
        let (record, _) = record(dtype);
        assert_eq!(
            record.params["body.weight"].exp_avg.shape.as_slice(),
            [5, 7]
        );
        assert_eq!(record.params["body.weight"].exp_avg.dtype, dtype);
        assert_eq!(record.params["body.weight"].step, 3);
        assert_eq!(recorded::<FullPrecisionSettings>(record.clone()), record);
        assert_eq!(recorded::<HalfPrecisionSettings>(record.clone()), record);
        assert_eq!(recorded::<DoublePrecisionSettings>(record.clone()), record);
    }
}

#[test]
fn unaligned_bytes_panic_or_change_the_moments() {
    for dtype in [DType::F32, DType::F64] {
        let (mut record, specs) = record(dtype);
        let exp_avg = &mut record.params.get_mut("head.bias").unwrap().exp_avg;
        *exp_avg = TensorData::from_bytes_vec(exp_avg.bytes.to_vec(), exp_avg.shape.clone(), dtype);
        let state = load(&record, &specs, &config()).unwrap();
        let adamw = AdamW::new(config()).unwrap();
        assert_eq!(state.to_record(&adamw).unwrap(), record);
        let mut lcg = Lcg::new(8);
        let params = draw(&specs, &mut lcg);
        steps(&adamw, &specs, &mut lcg, 1, params, state);
    }
}

/// The error of loading a record that was spoilt.
fn refused(spoil: impl FnOnce(&mut AdamWRecord)) -> OptimError {
    let (mut record, specs) = record(DType::F32);
    spoil(&mut record);
    load(&record, &specs, &config()).unwrap_err()
}

fn head(record: &mut AdamWRecord) -> &mut MomentsRecord {
    record.params.get_mut("head.bias").unwrap()
}

#[test]
fn record_of_another_model_is_accepted() {
    let path = |path: &str| path.to_string();
    assert_eq!(
        refused(|record| drop(record.params.remove("head.bias"))),
        OptimError::RecordMissing {
            path: path("params.head.bias")
        }
    );
    assert_eq!(
        refused(|record| {
            let copy = head(record).clone();
            record.params.insert("neck".to_string(), copy);
        }),
        OptimError::RecordUnexpected {
            path: path("params.neck")
        }
    );
    assert_eq!(
        refused(|record| head(record).exp_avg.shape = [2, 3].into()),
        OptimError::RecordShape {
            path: path("params.head.bias.exp_avg"),
            expected: vec![6],
            found: vec![2, 3]
        }
    );
    assert_eq!(
        refused(|record| {
            let exp_avg_sq = &mut head(record).exp_avg_sq;
            *exp_avg_sq = exp_avg_sq.clone().convert_dtype(DType::F64);
        }),
        OptimError::RecordDType {
            path: path("params.head.bias.exp_avg_sq"),
            expected: path("F32"),
            found: path("F64")
        }
    );
    assert_eq!(
        refused(|record| {
            let shape = head(record).exp_avg.shape.clone();
            head(record).max_exp_avg_sq =
                Some(TensorData::from_bytes_vec(vec![0; 20], shape, DType::F32));
        }),
        OptimError::RecordBytes {
            path: path("params.head.bias.max_exp_avg_sq"),
            expected: 24,
            found: 20
        }
    );
    assert!(matches!(
        refused(|record| head(record).max_exp_avg_sq = None),
        OptimError::AmsgradMismatch { path, .. } if path == "params.head.bias"
    ));
    assert!(matches!(
        refused(|record| {
            let extra = record.params["body.weight"].exp_avg_sq.clone();
            record.params.get_mut("body.weight").unwrap().max_exp_avg_sq = Some(extra);
        }),
        OptimError::AmsgradMismatch { path, .. } if path == "params.body.weight"
    ));
}

#[test]
fn record_of_another_configuration_is_accepted() {
    type Edit = fn(&mut AdamWConfig);
    let edits: [(&str, Edit); 17] = [
        ("lr", |c| c.lr = 2e-3),
        ("beta1", |c| c.beta1 = 0.8),
        ("beta2", |c| c.beta2 = 0.99),
        ("eps", |c| c.eps = 1e-7),
        ("weight_decay", |c| c.weight_decay = 0.0),
        ("amsgrad", |c| c.amsgrad = true),
        ("clip_norm", |c| c.clip_norm = None),
        ("clip_value", |c| c.clip_value = Some(1.0)),
        ("groups", |c| c.groups.clear()),
        ("groups[0].pattern", |c| {
            c.groups[0].pattern = "head.*".to_string()
        }),
        ("groups[0].lr", |c| c.groups[0].lr = Some(1e-3)),
        ("groups[0].beta1", |c| c.groups[0].beta1 = Some(0.9)),
        ("groups[0].beta2", |c| c.groups[0].beta2 = Some(0.999)),
        ("groups[0].eps", |c| c.groups[0].eps = Some(1e-8)),
        ("groups[0].weight_decay", |c| {
            c.groups[0].weight_decay = Some(1e-2)
        }),
        ("groups[0].amsgrad", |c| c.groups[0].amsgrad = None),
        // The next double up.
        ("lr", |c| c.lr = f64::from_bits(c.lr.to_bits() + 1)),
    ];
    let (record, specs) = record(DType::F32);
    load(&record, &specs, &config()).unwrap();
    for (key, edit) in edits {
        let mut other = config();
        edit(&mut other);
        match load(&record, &specs, &other).unwrap_err() {
            OptimError::ConfigMismatch { key: found, .. } => assert_eq!(found, key),
            error => panic!("{key}: {error}"),
        }
    }
    let mut other = config();
    other.clip_norm = Some(3.0);
    assert_eq!(
        load(&record, &specs, &other).unwrap_err().to_string(),
        "`clip_norm`: expected 2.0 as the record was written with, found 3.0 in the configuration; \
         resume with the recorded value, or start a new run or a fork with the new one"
    );
}

/// Removes every field in turn, at every depth outside tensors.
fn without_each_field(
    value: &serde_json::Value,
    path: &str,
    out: &mut Vec<(String, serde_json::Value)>,
) {
    match value {
        serde_json::Value::Object(map) if !map.contains_key("bytes") => {
            for (key, child) in map {
                let path = format!("{path}.{key}");
                // A parameter's own key is data: its absence is for `from_record`.
                if path != ".params.body.weight" && path != ".params.head.bias" {
                    let mut without = map.clone();
                    without.remove(key);
                    out.push((path.clone(), without.into()));
                }
                let mut inner = Vec::new();
                without_each_field(child, &path, &mut inner);
                for (path, child) in inner {
                    let mut changed = map.clone();
                    changed.insert(key.clone(), child);
                    out.push((path, changed.into()));
                }
            }
        }
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let mut inner = Vec::new();
                without_each_field(item, &format!("{path}[{index}]"), &mut inner);
                for (path, child) in inner {
                    let mut changed = items.clone();
                    changed[index] = child;
                    out.push((path, changed.into()));
                }
            }
        }
        _ => {}
    }
}

#[test]
fn absent_field_is_filled_with_a_default() {
    let (record, _) = record(DType::F32);
    let whole = serde_json::to_value(&record).unwrap();
    assert_eq!(
        serde_json::from_value::<AdamWRecord>(whole.clone()).unwrap(),
        record
    );
    let mut spoilt = Vec::new();
    without_each_field(&whole, "", &mut spoilt);
    // config and params, 9 keys of config, 7 of its group, 4 of each parameter.
    assert_eq!(spoilt.len(), 2 + 9 + 7 + 2 * 4);
    for (path, value) in spoilt {
        let error = serde_json::from_value::<AdamWRecord>(value)
            .unwrap_err()
            .to_string();
        let name = path.rsplit('.').next().unwrap();
        // Of most keys of a group with the group's place.
        let missing = error.contains("missing field `");
        assert!(
            missing && error.contains(&format!("{name}`")),
            "{path}: {error}"
        );
    }
}

#[test]
fn unknown_field_is_ignored() {
    let (record, _) = record(DType::F32);
    let whole = serde_json::to_value(&record).unwrap();
    for pointer in ["", "/config", "/config/groups/0", "/params/head.bias"] {
        let mut value = whole.clone();
        value.pointer_mut(pointer).unwrap()["extra"] = 1.into();
        let error = serde_json::from_value::<AdamWRecord>(value)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("unknown field `extra`"),
            "{pointer}: {error}"
        );
    }
}

fn any_bits(dtype: DType, shape: Vec<usize>) -> impl Strategy<Value = TensorData> {
    let bytes = shape.iter().product::<usize>() * dtype.size();
    prop::collection::vec(any::<u8>(), bytes)
        .prop_map(move |bytes| TensorData::from_bytes_vec(bytes, shape.clone(), dtype))
}

fn any_moments() -> impl Strategy<Value = (ParamSpec, MomentsRecord)> {
    let shape = prop::collection::vec(1..5usize, 0..4);
    let dtype = prop_oneof![Just(DType::F32), Just(DType::F64)];
    (shape, dtype).prop_flat_map(|(shape, dtype)| {
        let spec = ParamSpec::new(shape.clone(), dtype);
        let tensor = || any_bits(dtype, shape.clone());
        (any::<u64>(), tensor(), tensor(), tensor()).prop_map(move |(step, a, b, c)| {
            let moments = MomentsRecord {
                step,
                exp_avg: a,
                exp_avg_sq: b,
                max_exp_avg_sq: Some(c),
            };
            (spec.clone(), moments)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Every bit pattern, NaN payloads and negative zeros included.
    #[test]
    fn loading_changes_a_bit(moments in prop::collection::vec(any_moments(), 1..4)) {
        let adamw = AdamW::new(AdamWConfig { amsgrad: true, ..AdamWConfig::default() }).unwrap();
        let (specs, params) = moments
            .into_iter()
            .enumerate()
            .map(|(index, (spec, record))| {
                let path = format!("layers.{index}.weight");
                ((path.clone(), spec), (path, record))
            })
            .unzip();
        let record = AdamWRecord { config: adamw.config().clone(), params };
        let loaded = recorded::<HalfPrecisionSettings>(record.clone());
        let state = load(&loaded, &specs, adamw.config()).unwrap();
        prop_assert_eq!(state.specs(), specs);
        prop_assert_eq!(state.to_record(&adamw).unwrap(), record);
    }

    #[test]
    fn resumed_run_differs_from_the_whole(
        seed in any::<u64>(),
        before in 0..6usize,
        after in 0..6usize,
        double in any::<bool>(),
    ) {
        let specs = specs(if double { DType::F64 } else { DType::F32 });
        let adamw = AdamW::new(config()).unwrap();
        let mut lcg = Lcg::new(seed);
        let params = draw(&specs, &mut lcg);
        let state = adamw.init(&specs, &FlexDevice).unwrap();
        let (params, state) = steps(&adamw, &specs, &mut lcg, before, params, state);

        let record = recorded::<FullPrecisionSettings>(state.to_record(&adamw).unwrap());
        let resumed = load(&record, &specs, adamw.config()).unwrap();
        let mut again = lcg.clone();
        let whole = steps(&adamw, &specs, &mut lcg, after, params.clone(), state);
        let resumed = steps(&adamw, &specs, &mut again, after, params, resumed);
        prop_assert_eq!(bits(&whole.0), bits(&resumed.0));
        prop_assert_eq!(
            whole.1.to_record(&adamw).unwrap(),
            resumed.1.to_record(&adamw).unwrap()
        );
    }
}
