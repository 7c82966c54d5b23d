//! Adapters that are not what they say, each refused by a name of its own.

mod common;

use common::{adapter, assert_says, linear, matrix, safetensors, settings, values};
use dacapo_peft::{InitLoraWeights, LayerKind, MagnitudeKey, Matrix, ModuleSelection, PeftAdapter};
use dacapo_peft::{PeftConfig, PeftError, PeftLayer, PeftSettings, TargetModules, Tensor};
use serde_json::{Value, json};

const PREFIX: &str = "base_model.model.";

/// A configuration of these keys besides the four that must be there.
fn config(keys: Value) -> Vec<u8> {
    let mut all = json!({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q"]});
    for (key, value) in keys.as_object().expect("a table") {
        match value {
            Value::String(text) if text == "(missing)" => {
                all.as_object_mut().unwrap().remove(key);
            }
            value => all[key] = value.clone(),
        }
    }
    all.to_string().into_bytes()
}

fn config_error(keys: Value) -> PeftError {
    PeftConfig::from_json(&config(keys.clone())).expect_err(&keys.to_string())
}

type Tensors<'a> = Vec<(&'a str, &'a [usize], Vec<f32>)>;

/// The tensors of a DoRA layer `q` of rank 2 with 3 inputs and 4 outputs.
fn dora() -> Tensors<'static> {
    vec![
        ("base_model.model.q.lora_A.weight", &[2, 3], values(6, 1)),
        ("base_model.model.q.lora_B.weight", &[4, 2], values(8, 2)),
        (
            "base_model.model.q.lora_magnitude_vector",
            &[4],
            values(4, 3),
        ),
    ]
}

fn lora() -> Tensors<'static> {
    dora()[..2].to_vec()
}

fn read(keys: Value, tensors: &Tensors) -> Result<PeftAdapter, PeftError> {
    PeftAdapter::from_bytes(&config(keys), &safetensors(tensors))
}

/// The message of what is refused, without places that the message must have itself.
#[track_caller]
fn refused(keys: Value, tensors: &Tensors) -> PeftError {
    let error = read(keys, tensors).expect_err("it is refused");
    assert_says(&error.to_string(), &["adapter_model.safetensors: "]);
    error
}

macro_rules! assert_cause {
    ($error:expr, $pattern:pat $(if $guard:expr)?, $($says:expr),*) => {
        let error = $error;
        assert!(matches!(error.cause(), $pattern $(if $guard)?), "{error:?}");
        assert_says(&error.to_string(), &[$($says),*]);
    };
}

#[test]
fn whole_adapter_is_refused() {
    read(json!({}), &lora()).unwrap();
    read(json!({"use_dora": true}), &dora()).unwrap();
}

#[test]
fn key_without_default_is_missing() {
    for key in ["peft_type", "r", "lora_alpha", "target_modules"] {
        let error = config_error(json!({key: "(missing)"}));
        assert_cause!(error, PeftError::MissingKey { key: found } if *found == key, key);
        // Null is a type that PEFT does not have.
        if key != "peft_type" {
            let error = config_error(json!({key: null}));
            assert_cause!(error, PeftError::MissingKey { .. }, key);
        }
    }
}

#[test]
fn adapter_of_another_method_is_read_as_lora() {
    for kind in [
        json!("IA3"),
        json!("ADALORA"),
        json!("lora"),
        json!(null),
        json!(["LORA"]),
    ] {
        let error = config_error(json!({"peft_type": kind}));
        assert_cause!(
            error,
            PeftError::PeftType { .. },
            "peft_type",
            &kind.to_string()
        );
    }
}

#[test]
fn value_of_another_kind_is_believed() {
    let cases = [
        ("r", json!(0)),
        ("r", json!(-1)),
        ("r", json!(2.5)),
        ("r", json!("2")),
        ("lora_alpha", json!("4")),
        ("lora_alpha", json!([4])),
        ("lora_dropout", json!(1)),
        ("lora_dropout", json!(-0.1)),
        ("lora_dropout", json!(true)),
        ("use_dora", json!(1)),
        ("use_rslora", json!("true")),
        ("inference_mode", json!([])),
        ("target_modules", json!([])),
        ("target_modules", json!("")),
        ("target_modules", json!([1])),
        ("target_modules", json!(["q", ""])),
        ("target_modules", json!({"q": 1})),
        ("exclude_modules", json!(3)),
        ("exclude_modules", json!([""])),
        ("modules_to_save", json!("head")),
        ("modules_to_save", json!([""])),
        ("rank_pattern", json!({"q": 0})),
        ("rank_pattern", json!({"q": 1.5})),
        ("rank_pattern", json!(["q"])),
        ("alpha_pattern", json!({"q": "4"})),
        ("layers_to_transform", json!([-1])),
        ("layers_to_transform", json!("1")),
        ("layers_pattern", json!([1])),
        ("layers_pattern", json!(["layers"])),
        ("init_lora_weights", json!(1)),
        ("task_type", json!(1)),
        ("base_model_name_or_path", json!(["a"])),
        ("revision", json!(1)),
        ("peft_version", json!(0.1)),
    ];
    for (key, value) in cases {
        let error = config_error(json!({key: value}));
        assert_cause!(error, PeftError::Key { key: found, .. } if *found == key, key);
    }
    let error = config_error(json!({"target_modules": "q", "layers_to_transform": [1]}));
    assert_cause!(
        error,
        PeftError::Key {
            key: "layers_to_transform",
            ..
        },
        "list of names"
    );
}

#[test]
fn settings_are_out_of_range() {
    let base = || settings(&["q"]);
    let cases = [
        PeftSettings {
            lora_alpha: f64::NAN,
            ..base()
        },
        PeftSettings {
            lora_alpha: f64::INFINITY,
            ..base()
        },
        PeftSettings {
            lora_dropout: f64::NAN,
            ..base()
        },
        PeftSettings {
            alpha_pattern: vec![("q".to_owned(), f64::NAN)],
            ..base()
        },
        PeftSettings {
            rank_pattern: vec![("q".to_owned(), 1), ("q".to_owned(), 2)],
            ..base()
        },
        // These would come back as something else.
        PeftSettings {
            other: [("r".to_owned(), json!(null))].into(),
            ..base()
        },
        PeftSettings {
            exclude_modules: Some(ModuleSelection::Names(vec![])),
            ..base()
        },
        PeftSettings {
            exclude_modules: Some(ModuleSelection::Pattern(String::new())),
            ..base()
        },
        PeftSettings {
            target_modules: TargetModules::Selected(ModuleSelection::Pattern(
                "All-linear".to_owned(),
            )),
            ..base()
        },
    ];
    for settings in cases {
        let error = PeftConfig::new(settings.clone()).expect_err(&format!("{settings:?}"));
        assert_cause!(error, PeftError::Key { .. }, "`");
    }
}

#[test]
fn key_that_changes_the_computation_is_ignored() {
    let cases = [
        ("alora_invocation_tokens", json!([1, 2])),
        ("arrow_config", json!({"top_k": 3})),
        ("bias", json!("all")),
        ("bias", json!("lora_only")),
        ("ensure_weight_tying", json!(true)),
        ("fan_in_fan_out", json!(true)),
        ("kasa_config", json!({"beta": 1})),
        ("layer_replication", json!([[0, 4], [2, 5]])),
        ("lora_bias", json!(true)),
        ("megatron_config", json!({"a": 1})),
        ("monteclora_config", json!({"num_samples": 8})),
        ("target_parameters", json!(["experts.gate_up_proj"])),
        ("trainable_token_indices", json!([3])),
        ("use_bdlora", json!({"nblocks": 2})),
        ("use_qalora", json!(true)),
        ("velora_config", json!({"scale": 1})),
        // Of a version to come.
        ("use_newlora", json!(true)),
        ("new_factor", json!(0)),
        ("new_name", json!("x")),
    ];
    for (key, value) in cases {
        let error = config_error(json!({key: value}));
        let found = value.to_string();
        assert_cause!(error, PeftError::Unsupported { key: name, .. } if name == key, key, &found);
        // Unset, it is kept.
        for unset in [json!(null), json!(false), json!([]), json!({}), json!("")] {
            let read = PeftConfig::from_json(&config(json!({key: unset}))).unwrap();
            assert_eq!(read.settings().other[key], unset);
            assert_eq!(PeftConfig::from_json(&read.to_json()).unwrap(), read);
        }
    }
    let error = config_error(json!({"layer_replication": [[0, 4]]}));
    assert_says(&error.to_string(), &["merge_and_unload"]);
}

#[test]
fn remark_is_refused() {
    let remarks = json!({
        "auto_mapping": {"base_model_class": "A", "parent_library": "b"},
        "bias": "none",
        "corda_config": {"cache_file": "x"},
        "eva_config": {"rho": 2.0},
        "fan_in_fan_out": false,
        "loftq_config": {"loftq_bits": 4},
        "megatron_core": "megatron.core",
        "qalora_group_size": 16,
        "runtime_config": {"ephemeral_gpu_offload": true},
    });
    let read = PeftConfig::from_json(&config(remarks.clone())).unwrap();
    let kept = serde_json::to_value(&read.settings().other).unwrap();
    assert_eq!(kept, remarks);
}

#[test]
fn adapter_of_a_changed_base_is_put_on_the_unchanged_one() {
    for init in [
        "pissa",
        "pissa_niter_4",
        "olora",
        "corda",
        "loftq",
        "lora_ga",
        "new",
    ] {
        let error = config_error(json!({"init_lora_weights": init}));
        assert_cause!(
            error,
            PeftError::Unsupported { key, .. } if key == "init_lora_weights",
            init, "path_initial_model_for_weight_conversion"
        );
    }
    for init in [
        json!("gaussian"),
        json!("EVA"),
        json!("orthogonal"),
        json!(false),
    ] {
        PeftConfig::from_json(&config(json!({"init_lora_weights": init}))).unwrap();
    }
    let named = InitLoraWeights::Named("pissa".to_owned());
    let settings = PeftSettings {
        init_lora_weights: named,
        ..settings(&["q"])
    };
    assert_cause!(
        PeftConfig::new(settings).unwrap_err(),
        PeftError::Unsupported { .. },
        "pissa"
    );
}

#[test]
fn adapter_of_a_quantised_base_is_put_on_another() {
    for base in [
        "unsloth/llama-3-8b-bnb-4bit",
        "TheBloke/Llama-2-7B-GPTQ",
        "/models/bert-AWQ/",
        r"C:\models\bert_int8",
    ] {
        let error = config_error(json!({"base_model_name_or_path": base}));
        assert_cause!(
            error,
            PeftError::QuantisedBase { .. },
            "base_model_name_or_path"
        );
    }
    for base in [
        "google/bert",
        "/4bit/bert",
        "hawqs/model",
        "a/bert-34bits",
        "",
    ] {
        PeftConfig::from_json(&config(json!({"base_model_name_or_path": base}))).unwrap();
    }
    for key in [
        "quantization_config",
        "load_in_4bit",
        "load_in_8bit",
        "bnb_4bit_quant_type",
    ] {
        let error = config_error(json!({key: "nf4"}));
        assert_cause!(error, PeftError::QuantisedBase { .. }, key);
        PeftConfig::from_json(&config(json!({key: null}))).unwrap();
    }
    for name in [
        "base_model.model.q.base_layer.weight.absmax",
        "base_model.model.q.base_layer.weight.quant_map",
        "base_model.model.q.base_layer.weight.quant_state.bitsandbytes__nf4",
        "base_model.model.q.base_layer.SCB",
        "base_model.model.q.base_layer.qweight",
    ] {
        let mut tensors = lora();
        tensors.push((name, &[1], vec![1.0]));
        assert_cause!(
            refused(json!({}), &tensors),
            PeftError::QuantisedBase { .. },
            name
        );
    }
}

#[test]
fn pattern_means_another_thing_in_python() {
    let patterns = [
        "(",
        "a(?=b)",
        "(?!x).*",
        r"(a)\1",
        "[[a]b]",
        "[a&&b]",
        "[a--b]",
        r"\<a",
        r"\b{start}a",
        "a{1000}{1000}",
        "x{1,",
    ];
    for pattern in patterns {
        let keys = [
            ("target_modules", json!({"target_modules": pattern})),
            ("exclude_modules", json!({"exclude_modules": pattern})),
            (
                "rank_pattern",
                json!({"rank_pattern": {"q": 2, pattern: 2}}),
            ),
            ("alpha_pattern", json!({"alpha_pattern": {pattern: 2}})),
            ("modules_to_save", json!({"modules_to_save": [pattern]})),
            (
                "layers_pattern",
                json!({"layers_pattern": [pattern], "layers_to_transform": 1}),
            ),
        ];
        for (key, keys) in keys {
            assert_cause!(config_error(keys), PeftError::Pattern { key: found, .. } if *found == key, key);
        }
    }
    for pattern in ["[]a]", "[^]a]", r"[\[a]", r"a\[", "[a-z-]", "a--b", "a&&b"] {
        PeftConfig::from_json(&config(json!({"target_modules": pattern}))).unwrap();
    }
}

#[test]
fn rank_of_the_tensors_is_not_that_of_the_configuration() {
    let error = refused(json!({"r": 3}), &lora());
    assert_cause!(
        error,
        PeftError::WrongRank {
            expected: 3,
            found: 2
        },
        "layer `q`"
    );
    let error = refused(json!({"rank_pattern": {"q": 4}}), &lora());
    assert_cause!(
        error,
        PeftError::WrongRank {
            expected: 4,
            found: 2
        },
        "layer `q`"
    );
    read(json!({"r": 3, "rank_pattern": {"q": 2}}), &lora()).unwrap();
}

#[test]
fn a_and_b_are_of_two_ranks() {
    let mut tensors = lora();
    tensors[1].1 = &[8, 1];
    let error = refused(json!({}), &tensors);
    assert_cause!(
        error,
        PeftError::RankMismatch {
            a: [2, 3],
            b: [8, 1]
        },
        "layer `q`",
        "one rank"
    );
    // As of a convolution with groups.
    let tensors: Tensors = vec![
        ("q.lora_A.weight", &[2, 3, 1, 1], values(6, 1)),
        ("q.lora_B.weight", &[8, 1, 1, 1], values(8, 2)),
    ];
    assert_cause!(
        refused(json!({}), &tensors),
        PeftError::RankMismatch { .. },
        "groups"
    );
}

#[test]
fn magnitude_is_missing_or_superfluous() {
    let error = refused(json!({"use_dora": true}), &lora());
    assert_cause!(error, PeftError::MissingMagnitude, "layer `q`", "use_dora");
    let error = refused(json!({}), &dora());
    assert_cause!(
        error,
        PeftError::UnexpectedMagnitude,
        "layer `q`",
        "use_dora"
    );
}

#[test]
fn wrong_axis_of_a_magnitude_is_accepted() {
    let dora_of = |shape: &'static [usize]| {
        let mut tensors = dora();
        tensors[2] = (tensors[2].0, shape, values(shape.iter().product(), 3));
        refused(json!({"use_dora": true}), &tensors)
    };
    for shape in [&[3][..], &[1, 3], &[3, 1], &[1, 3, 1]] {
        assert_cause!(
            dora_of(shape),
            PeftError::MagnitudeAxis {
                inputs: 3,
                outputs: 4,
                ..
            },
            "layer `q`",
            "lora_magnitude_vector",
            "another tool's axis",
            &format!("{shape:?}")
        );
    }
    for shape in [&[4, 1][..], &[1, 4], &[5], &[2, 2], &[12]] {
        assert_cause!(
            dora_of(shape),
            PeftError::Shape { .. },
            "[4]",
            &format!("{shape:?}")
        );
    }
    // Of a square weight the shape tells only if it has a dimension too many.
    let tensors = |shape: &'static [usize]| -> Tensors {
        vec![
            ("q.lora_A.weight", &[2, 4], values(8, 1)),
            ("q.lora_B.weight", &[4, 2], values(8, 2)),
            ("q.lora_magnitude_vector", shape, values(4, 3)),
        ]
    };
    read(json!({"use_dora": true}), &tensors(&[4])).unwrap();
    let error = refused(json!({"use_dora": true}), &tensors(&[1, 4]));
    assert_cause!(error, PeftError::MagnitudeAxis { .. }, "[1, 4]");
    let error = refused(json!({"use_dora": true}), &tensors(&[4, 1]));
    assert_cause!(error, PeftError::Shape { .. }, "[4, 1]");
    // A convolution's has the shape [1, out, 1..].
    let conv = |shape: &'static [usize]| -> Tensors {
        vec![
            ("q.lora_A.weight", &[2, 3, 1, 2], values(12, 1)),
            ("q.lora_B.weight", &[4, 2, 1, 1], values(8, 2)),
            (
                "q.lora_magnitude_vector",
                shape,
                values(shape.iter().product(), 3),
            ),
        ]
    };
    read(json!({"use_dora": true}), &conv(&[1, 4, 1, 1])).unwrap();
    let error = refused(json!({"use_dora": true}), &conv(&[1, 3, 1, 1]));
    assert_cause!(
        error,
        PeftError::MagnitudeAxis {
            inputs: 3,
            outputs: 4,
            ..
        },
        "layer `q`"
    );
    let error = refused(json!({"use_dora": true}), &conv(&[4]));
    assert_cause!(error, PeftError::Shape { .. }, "[1, 4, 1, 1]");
    // Without a file.
    let layer = |length| {
        let magnitude = Some(values(length, 3));
        PeftLayer::new(
            LayerKind::Linear,
            matrix(2, 3, 1),
            matrix(4, 2, 2),
            magnitude,
        )
    };
    layer(4).unwrap();
    assert!(matches!(layer(3), Err(PeftError::MagnitudeAxis { .. })));
    assert!(matches!(layer(5), Err(PeftError::Shape { .. })));
}

#[test]
fn one_of_a_pair_is_missing() {
    let all = [
        "q.lora_A.weight",
        "q.lora_B.weight",
        "q.lora_embedding_A",
        "q.lora_embedding_B",
    ];
    let lacks = ["lora_B", "lora_A", "lora_embedding_B", "lora_embedding_A"];
    for (name, lacks) in all.into_iter().zip(lacks) {
        let tensors: Tensors = vec![(name, &[2, 2], values(4, 1))];
        let error = refused(json!({}), &tensors);
        assert_cause!(error, PeftError::MissingPair { lacks: found, .. } if *found == lacks, name, lacks);
    }
    let error = refused(json!({"use_dora": true}), &dora()[2..].to_vec());
    assert_cause!(
        error,
        PeftError::MissingPair { .. },
        "lora_magnitude_vector",
        "lora_A"
    );
    // Of two kinds.
    let tensors: Tensors = vec![
        ("q.lora_A.weight", &[2, 2], values(4, 1)),
        ("q.lora_embedding_B", &[2, 2], values(4, 1)),
    ];
    assert_cause!(
        refused(json!({}), &tensors),
        PeftError::DuplicateTensor { .. },
        "q.lora_A.weight"
    );
}

#[test]
fn tensor_is_there_under_two_names() {
    for name in [
        "base_model.model.q.lora_magnitude_vector.weight",
        "base_model.model.q.lora_magnitude_vector.default",
        "base_model.model.q.lora_magnitude_vector.default.weight",
        "base_model.model.q.lora_A.default.weight",
    ] {
        let mut tensors = dora();
        let old = tensors
            .iter()
            .find(|(old, ..)| name.starts_with(old.trim_end_matches(".weight")));
        let (old, shape, values) = old.unwrap().clone();
        tensors.push((name, shape, values));
        let error = refused(json!({"use_dora": true}), &tensors);
        assert_cause!(error, PeftError::DuplicateTensor { .. }, name, old);
    }
}

#[test]
fn unknown_tensor_is_passed_over() {
    for name in [
        "head.weight",
        "q.weight",
        "q.bias",
        "other.base_layer.weight",
        "q.lora_A.bias",
        "q.lora_B.bias",
        "q.lora_A.other.weight",
        "q.lora_A",
        "q.lora_A.weight.default",
        "q.lora_E",
        "q.lora_embedding_A.weight",
        "q.lora_magnitude_vector.bias",
        "lora_A.weight",
    ] {
        let mut tensors = lora();
        let full = format!("{PREFIX}{name}");
        tensors.push((&full, &[2, 2], values(4, 1)));
        let error = refused(json!({"modules_to_save": []}), &tensors);
        assert_cause!(error, PeftError::UnknownTensor { .. }, name);
    }
    // In a module that was trained whole, what is named as a wrapper names it.
    for name in [
        "head.modules_to_save.weight",
        "head.original_module.weight",
        "head..weight",
    ] {
        let mut tensors = lora();
        let full = format!("{PREFIX}{name}");
        tensors.push((&full, &[2, 2], values(4, 1)));
        let error = refused(json!({"modules_to_save": ["head"]}), &tensors);
        assert_cause!(error, PeftError::ModuleName { .. }, name);
    }
}

#[test]
fn prefix_is_before_some_names_only() {
    let mut tensors = lora();
    tensors[0].0 = "q.lora_A.weight";
    let error = refused(json!({}), &tensors);
    assert_cause!(
        error,
        PeftError::MixedPrefixes { .. },
        "q.lora_A.weight",
        tensors[1].0
    );
}

#[test]
fn nested_adapter_is_taken_for_a_plain_one() {
    for module in [
        "q.base_layer.out_proj",
        "q.base_layer",
        "modules_to_save.q",
        "a..q",
        ".q",
        "q.",
    ] {
        let (a, b) = (
            format!("{module}.lora_A.weight"),
            format!("{module}.lora_B.weight"),
        );
        let tensors: Tensors = vec![(&a, &[2, 3], values(6, 1)), (&b, &[4, 2], values(8, 2))];
        let error = refused(json!({"target_modules": ".*"}), &tensors);
        assert_cause!(error, PeftError::ModuleName { .. }, module);
    }
    let error = adapter(
        settings(&["q"]),
        &[("base_model.model.q", linear(2, 3, 4, false))],
        &[],
    );
    assert_cause!(error.unwrap_err(), PeftError::ModuleName { .. }, "prefix");
}

#[test]
fn shape_fits_no_layer() {
    let of = |a: &'static [usize], b: &'static [usize]| -> PeftError {
        let tensors: Tensors = vec![
            ("q.lora_A.weight", a, values(a.iter().product(), 1)),
            ("q.lora_B.weight", b, values(b.iter().product(), 2)),
        ];
        refused(json!({}), &tensors)
    };
    let cases: [(&[usize], &[usize]); 9] = [
        (&[6], &[4, 2]),
        (&[], &[4, 2]),
        (&[2, 3], &[8]),
        (&[2, 3], &[4, 2, 1]),
        (&[2, 3, 1], &[4, 2]),
        (&[2, 3, 1, 1], &[4, 2, 1, 2]),
        (&[2, 3, 1, 1, 1, 1], &[4, 2, 1, 1, 1, 1]),
        (&[2, 0], &[4, 2]),
        (&[2, 3], &[0, 2]),
    ];
    for (a, b) in cases {
        assert_cause!(of(a, b), PeftError::Shape { .. }, "tensor `q.lora_");
    }
    let tensors: Tensors = vec![
        ("q.lora_embedding_A", &[2, 3, 1], values(6, 1)),
        ("q.lora_embedding_B", &[4, 2], values(8, 2)),
    ];
    assert_cause!(
        refused(json!({}), &tensors),
        PeftError::Shape { .. },
        "lora_embedding_A"
    );
    let kernels = [
        vec![],
        vec![0],
        vec![1, 1, 1, 1],
        vec![2],
        vec![usize::MAX, 2],
    ];
    for kernel in kernels {
        let kind = LayerKind::Conv { kernel };
        let error = PeftLayer::new(kind, matrix(2, 3, 1), matrix(4, 2, 2), None).unwrap_err();
        assert_cause!(error, PeftError::Shape { .. }, "kernel");
    }
}

#[test]
fn values_do_not_fill_their_shape() {
    let error = Matrix::new(2, 3, values(5, 1)).unwrap_err();
    assert_cause!(
        error,
        PeftError::Count { found: 5, .. },
        "6 values",
        "[2, 3]"
    );
    let error = Matrix::new(0, 3, vec![]).unwrap_err();
    assert_cause!(error, PeftError::Shape { .. }, "[0, 3]");
    let error = Tensor::new(vec![usize::MAX, 2], vec![1.0]).unwrap_err();
    assert_cause!(error, PeftError::Count { .. }, "countable");
    Tensor::new(vec![], vec![1.0]).unwrap();
}

#[test]
fn value_is_not_finite() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for at in 0..3 {
            let mut tensors = dora();
            tensors[at].2[3] = value;
            let error = refused(json!({"use_dora": true}), &tensors);
            assert_cause!(
                error,
                PeftError::NonFinite { index: 3, .. },
                "layer `q`",
                "finite"
            );
        }
        let mut tensors = lora();
        tensors.push(("base_model.model.head.weight", &[2], vec![1.0, value]));
        let error = refused(json!({"modules_to_save": ["head"]}), &tensors);
        assert_cause!(error, PeftError::NonFinite { index: 1, .. }, "head.weight");
    }
}

#[test]
fn adapter_is_empty() {
    assert_cause!(
        refused(json!({}), &vec![]),
        PeftError::Empty,
        "target_modules"
    );
    let saved: Tensors = vec![("head.weight", &[2], values(2, 1))];
    let error = refused(json!({"modules_to_save": ["head"]}), &saved);
    assert_cause!(error, PeftError::Empty, "at least one");
}

#[test]
fn target_has_no_tensors() {
    for targets in [
        json!(["q", "k"]),
        json!(["q", "model.k"]),
        json!(["k", "q"]),
    ] {
        let error = refused(json!({"target_modules": targets}), &lora());
        assert_cause!(error, PeftError::TargetWithoutLayer { .. }, "k`");
    }
    let error = refused(json!({"modules_to_save": ["head"]}), &lora());
    assert_cause!(error, PeftError::SavedWithoutTensor { .. }, "`head`");
    // PEFT adds names for a task, whether the model has such modules or not.
    let added = json!({"modules_to_save": ["classifier", "score"], "task_type": "SEQ_CLS"});
    read(added, &lora()).unwrap();
    let error = refused(
        json!({"modules_to_save": ["classifier", "norm"], "task_type": "SEQ_CLS"}),
        &lora(),
    );
    assert_cause!(error, PeftError::SavedWithoutTensor { .. }, "`norm`");
}

#[test]
fn layer_is_no_target() {
    let cases = [
        (json!({"target_modules": ["k"]}), "not in `target_modules`"),
        (json!({"target_modules": "k|qq"}), "not in `target_modules`"),
        (
            json!({"target_modules": "all-linear", "exclude_modules": ["q"]}),
            "in `exclude_modules`",
        ),
        (json!({"exclude_modules": "q"}), "in `exclude_modules`"),
        (json!({"modules_to_save": ["q"]}), "in `modules_to_save`"),
    ];
    for (keys, says) in cases {
        let error = refused(keys, &lora());
        assert_cause!(
            error,
            PeftError::LayerWithoutTarget { .. },
            "layer `q`",
            says
        );
    }
    let (a, b) = (
        "model.layers.3.q.lora_A.weight",
        "model.layers.3.q.lora_B.weight",
    );
    let tensors: Tensors = vec![(a, &[2, 3], values(6, 1)), (b, &[4, 2], values(8, 2))];
    read(json!({"layers_to_transform": [3]}), &tensors).unwrap();
    let error = refused(json!({"layers_to_transform": [2, 4]}), &tensors);
    assert_cause!(
        error,
        PeftError::LayerWithoutTarget { .. },
        "layers_to_transform"
    );
    // An embedding is not linear.
    let tensors: Tensors = vec![
        ("q.lora_embedding_A", &[2, 3], values(6, 1)),
        ("q.lora_embedding_B", &[4, 2], values(8, 2)),
    ];
    let error = refused(json!({"target_modules": "all-linear"}), &tensors);
    assert_cause!(
        error,
        PeftError::LayerWithoutTarget { .. },
        "layer `q`",
        "not linear"
    );
}

#[test]
fn saved_tensor_would_be_read_as_another() {
    let tensor = || Tensor::new(vec![2], values(2, 1)).unwrap();
    let of = |name: &str| {
        let settings = PeftSettings {
            modules_to_save: vec!["head".to_owned()],
            ..settings(&["q"])
        };
        adapter(
            settings,
            &[("q", linear(2, 3, 4, false))],
            &[("head.w", tensor()), (name, tensor())],
        )
    };
    for name in [
        "head.weight",
        "model.head.norm.bias",
        "q.weight",
        "subhead.weight",
    ] {
        let adapter = of(name).unwrap();
        let files = adapter.to_files(MagnitudeKey::Plain).unwrap();
        let again = PeftAdapter::from_bytes(&files.config, &files.weights).unwrap();
        assert_eq!(again, adapter, "{name}");
    }
    for name in [
        "k.weight",
        "weight",
        "head",
        "q.inner.weight",
        "heads.weight",
        "head.x.lora_A.weight",
    ] {
        assert_cause!(of(name).unwrap_err(), PeftError::UnknownTensor { .. }, name);
    }
    for name in [
        "head.base_layer.weight",
        "head..w",
        "base_model.model.head.weight",
    ] {
        assert_cause!(of(name).unwrap_err(), PeftError::ModuleName { .. }, name);
    }
    assert_cause!(
        of("head.weight.absmax").unwrap_err(),
        PeftError::QuantisedBase { .. },
        "absmax"
    );
}
