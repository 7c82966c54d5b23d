//! The configuration: defaults, ranges, unknown keys, groups.

mod support;

use std::collections::BTreeMap;

use burn::tensor::DType;
use burn_flex::FlexDevice;
use dacapo_optim::{AdamW, AdamWConfig, OptimError, ParamGroup, ParamSpec};
use support::{B, specs};

#[test]
fn defaults_are_not_pytorchs() {
    let config: AdamWConfig = serde_json::from_str("{}").unwrap();
    assert_eq!(config, AdamWConfig::default());
    assert_eq!(
        (config.lr, config.beta1, config.beta2, config.eps),
        (1e-3, 0.9, 0.999, 1e-8)
    );
    assert_eq!((config.weight_decay, config.amsgrad), (1e-2, false));
    assert_eq!((config.clip_norm, config.clip_value), (None, None));
    config.validate().unwrap();
}

#[test]
fn unknown_key_is_ignored() {
    for json in [
        r#"{"learning_rate": 1e-3}"#,
        r#"{"groups": [{"pattern": "*", "beta3": 0.5}]}"#,
        r#"{"groups": [{"lr": 0.5}]}"#,
        r#"{"lr": "fast"}"#,
    ] {
        assert!(serde_json::from_str::<AdamWConfig>(json).is_err(), "{json}");
    }
}

#[test]
fn value_out_of_range_is_accepted() {
    type Edit = fn(&mut AdamWConfig);
    let group = |edit: fn(&mut ParamGroup)| {
        let mut group = ParamGroup {
            pattern: "*".to_string(),
            ..ParamGroup::default()
        };
        edit(&mut group);
        AdamWConfig {
            groups: vec![group],
            ..AdamWConfig::default()
        }
    };
    let edits: [(&str, Edit); 10] = [
        ("lr", |c| c.lr = f64::NAN),
        ("lr", |c| c.lr = -1e-3),
        ("beta1", |c| c.beta1 = 1.0),
        ("beta1", |c| c.beta1 = -0.1),
        ("beta2", |c| c.beta2 = f64::NAN),
        ("eps", |c| c.eps = 0.0),
        ("weight_decay", |c| c.weight_decay = f64::INFINITY),
        ("clip_norm", |c| c.clip_norm = Some(0.0)),
        ("clip_value", |c| c.clip_value = Some(-1.0)),
        ("clip_value", |c| c.clip_value = Some(f64::NAN)),
    ];
    let mut cases: Vec<(&str, AdamWConfig)> = edits
        .into_iter()
        .map(|(key, edit)| {
            let mut config = AdamWConfig::default();
            edit(&mut config);
            (key, config)
        })
        .collect();
    cases.push(("groups[0].lr", group(|g| g.lr = Some(f64::NAN))));
    cases.push(("groups[0].beta1", group(|g| g.beta1 = Some(1.5))));
    cases.push(("groups[0].beta2", group(|g| g.beta2 = Some(-1.0))));
    cases.push(("groups[0].eps", group(|g| g.eps = Some(-1e-8))));
    cases.push((
        "groups[0].weight_decay",
        group(|g| g.weight_decay = Some(-1.0)),
    ));
    cases.push(("groups[0].pattern", group(|g| g.pattern.clear())));
    for (key, config) in cases {
        match AdamW::new(config).unwrap_err() {
            OptimError::InvalidValue { key: found, .. } => assert_eq!(found, key),
            other => panic!("{key}: {other}"),
        }
    }
}

#[test]
fn later_group_wins_or_groups_are_merged() {
    let config = AdamWConfig {
        groups: vec![
            ParamGroup {
                pattern: "*.adapter.magnitude".to_string(),
                weight_decay: Some(0.0),
                ..ParamGroup::default()
            },
            ParamGroup {
                pattern: "blocks.*".to_string(),
                lr: Some(0.5),
                amsgrad: Some(true),
                ..ParamGroup::default()
            },
        ],
        ..AdamWConfig::default()
    };
    let adamw = AdamW::new(config).unwrap();
    let magnitude = adamw.hyper("blocks.0.attn.out_proj.adapter.magnitude");
    assert_eq!(
        (magnitude.weight_decay, magnitude.lr, magnitude.amsgrad),
        (0.0, 1e-3, false)
    );
    let lora = adamw.hyper("blocks.0.attn.out_proj.adapter.lora_a");
    assert_eq!(
        (lora.weight_decay, lora.lr, lora.amsgrad),
        (1e-2, 0.5, true)
    );
    assert_eq!(adamw.hyper("head.weight").lr, 1e-3);
}

#[test]
fn group_that_matches_nothing_is_ignored() {
    let adamw = AdamW::new(AdamWConfig {
        groups: vec![
            ParamGroup {
                pattern: "head.*".to_string(),
                ..ParamGroup::default()
            },
            ParamGroup {
                pattern: "heads.*".to_string(),
                ..ParamGroup::default()
            },
        ],
        ..AdamWConfig::default()
    })
    .unwrap();
    let error = adamw
        .init::<B>(&specs(DType::F32), &FlexDevice)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`groups[1].pattern`: expected a pattern that matches at least one parameter, found \
         `heads.*`, which matches none of: body.weight, head.bias; correct the pattern or remove \
         the group"
    );
}

#[test]
fn parameter_that_cannot_be_optimised_is_accepted() {
    let adamw = AdamW::new(AdamWConfig::default()).unwrap();
    let init = |spec: ParamSpec| {
        let specs = BTreeMap::from([("p".to_string(), spec)]);
        adamw.init::<B>(&specs, &FlexDevice).unwrap_err()
    };
    assert!(matches!(
        init(ParamSpec::new([2], DType::BF16)),
        OptimError::UnsupportedDType { .. }
    ));
    assert!(matches!(
        init(ParamSpec::new([2], DType::I64)),
        OptimError::UnsupportedDType { .. }
    ));
    assert!(matches!(
        init(ParamSpec::new([2, 0], DType::F32)),
        OptimError::EmptyParameter { .. }
    ));
    assert_eq!(
        adamw.init::<B>(&BTreeMap::new(), &FlexDevice).unwrap_err(),
        OptimError::NoParameters
    );
}
