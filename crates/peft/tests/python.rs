//! Adapters across to the real PEFT and back: written here and loaded there, saved there and read
//! here, on a small tree of modules and a small BERT. What PEFT's layers compute is compared with
//! the formulas, in f64.
//!
//! Needs a Python with torch, peft, transformers and safetensors: `DACAPO_PYTHON`, or `python3`.

mod common;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use common::reference::{Array, conv2d, embedding, linear, merged};
use common::{matrix, values};
use dacapo_peft::{LayerKind, MagnitudeKey, PeftAdapter, PeftConfig, PeftFiles, PeftLayer};
use dacapo_peft::{PeftSettings, TargetModules, Tensor};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

fn python() -> Option<OsString> {
    let python = std::env::var_os("DACAPO_PYTHON").unwrap_or_else(|| "python3".into());
    let output = Command::new(&python)
        .args(["-c", "import torch, peft, transformers, safetensors"])
        .output();
    if output.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("skipped: neither DACAPO_PYTHON nor python3 has torch, peft and transformers");
    None
}

fn run(python: &OsString, folder: &Path, jobs: &[Value]) {
    let list = folder.join("jobs.json");
    std::fs::write(&list, serde_json::to_vec(jobs).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/adapters.py");
    let output = Command::new(python).arg(script).arg(list).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
}

/// What a file of safetensors holds, by module and then by the tensor's name.
fn recorded(path: &Path) -> BTreeMap<String, BTreeMap<String, Array>> {
    let bytes = std::fs::read(path).unwrap();
    let mut modules = BTreeMap::<String, BTreeMap<String, Array>>::new();
    for (name, view) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
        assert_eq!(view.dtype(), Dtype::F32);
        let (module, tensor) = name.split_once('|').expect("a module and a tensor");
        let floats = view.data().as_chunks::<4>().0.iter();
        let array = Array {
            shape: view.shape().to_vec(),
            values: floats
                .map(|bytes| f32::from_le_bytes(*bytes).into())
                .collect(),
        };
        let module = modules.entry(module.to_owned()).or_default();
        module.insert(tensor.to_owned(), array);
    }
    modules
}

/// The module's output by the formulas.
fn expected(adapter: &PeftAdapter, module: &str, tensors: &BTreeMap<String, Array>) -> Vec<f64> {
    let (x, bias) = (&tensors["x"], tensors.get("bias"));
    let Some(layer) = adapter.layers().get(module) else {
        // Trained whole, and linear.
        let saved = |name: &str| Array::from(&adapter.saved()[&format!("{module}.{name}")]);
        return linear(&saved("weight").values, Some(&saved("bias")), x);
    };
    let scaling = adapter.config().scaling_of(module, layer.rank());
    let weight = merged(layer, scaling, &tensors["weight"]);
    match layer.kind() {
        LayerKind::Linear => linear(&weight, bias, x),
        LayerKind::Embedding => embedding(&weight, layer.inputs(), x),
        LayerKind::Conv { kernel } => {
            let pair = |name: &str| [0, 1].map(|d| tensors[name].values[d] as usize);
            let kernel = [kernel[0], kernel[1]];
            conv2d(&weight, kernel, bias, x, pair("stride"), pair("padding"))
        }
    }
}

/// Every adapted and saved module computed what the formulas say, within 1e-5 of its largest
/// value.
#[track_caller]
fn assert_computes(adapter: &PeftAdapter, path: &Path, name: &str) {
    let recorded = recorded(path);
    let saved = adapter.saved().keys();
    let modules = saved.map(|name| name.rsplit_once('.').unwrap().0.to_owned());
    let modules = modules.chain(adapter.layers().keys().cloned());
    let mut modules: Vec<String> = modules.collect();
    modules.sort();
    modules.dedup();
    assert_eq!(
        recorded.keys().cloned().collect::<Vec<_>>(),
        modules,
        "{name}"
    );
    for (module, tensors) in &recorded {
        let expected = expected(adapter, module, tensors);
        let found = &tensors["y"].values;
        assert_eq!(found.len(), expected.len(), "{name}: {module}");
        let largest = expected
            .iter()
            .fold(0.0_f64, |most, value| most.max(value.abs()));
        let differences = found.iter().zip(&expected).map(|(f, e)| (f - e).abs());
        let worst = differences.fold(0.0_f64, f64::max) / largest;
        assert!(worst <= 1e-5, "{name}: {module} is {worst:e} off");
    }
}

/// A kind of layer, its inputs and outputs.
type Sizes = (LayerKind, usize, usize);

fn sizes(model: &str, module: &str) -> Sizes {
    let linear = |inputs, outputs| (LayerKind::Linear, inputs, outputs);
    match (model, module) {
        ("tree", "tokens") => (LayerKind::Embedding, 11, 6),
        ("tree", "body.0") => linear(6, 5),
        ("tree", "body.2") => linear(5, 7),
        ("tree", "conv") => (LayerKind::Conv { kernel: vec![3, 2] }, 2, 3),
        ("bert", "embeddings.word_embeddings") => (LayerKind::Embedding, 20, 8),
        ("bert", module) if module.ends_with("intermediate.dense") => linear(8, 12),
        ("bert", module) if module.contains(".attention.self.") => linear(8, 8),
        other => panic!("{other:?}"),
    }
}

/// An adapter of these modules, of the ranks that its configuration gives.
fn adapter(model: &str, modules: &[&str], settings: PeftSettings) -> PeftAdapter {
    let config = PeftConfig::new(settings).unwrap();
    let mut layers = BTreeMap::new();
    for (seed, module) in (1..).zip(modules) {
        let (kind, inputs, outputs) = sizes(model, module);
        let places: usize = match &kind {
            LayerKind::Conv { kernel } => kernel.iter().product(),
            _ => 1,
        };
        let rank = config.rank_of(module);
        let a = matrix(rank, inputs * places, 3 * seed);
        let b = matrix(outputs, rank, 3 * seed + 1);
        let magnitude = config.settings().use_dora.then(|| {
            let values = values(outputs, 3 * seed + 2).into_iter();
            values.map(|value| 1.0 + value / 2.0).collect()
        });
        let layer = PeftLayer::new(kind, a, b, magnitude).unwrap();
        layers.insert((*module).to_owned(), layer);
    }
    let mut saved = BTreeMap::new();
    if !config.settings().modules_to_save.is_empty() {
        let tensor = |shape: &[usize], seed| {
            let count = shape.iter().product();
            Tensor::new(shape.to_vec(), values(count, seed)).unwrap()
        };
        saved.insert("head.weight".to_owned(), tensor(&[4, 7], 50));
        saved.insert("head.bias".to_owned(), tensor(&[4], 51));
    }
    PeftAdapter::new(config, layers, saved).unwrap()
}

fn settings(r: usize, alpha: f64, dora: bool, rslora: bool, targets: &[&str]) -> PeftSettings {
    PeftSettings {
        use_dora: dora,
        use_rslora: rslora,
        ..PeftSettings::new(r, alpha, TargetModules::names(targets.iter().copied()))
    }
}

/// Patterns that give several ranks and scalings, in an order that counts.
fn with_patterns(settings: PeftSettings) -> PeftSettings {
    PeftSettings {
        rank_pattern: vec![
            ("layer.0.*query".to_owned(), 3),
            ("body.0|query".to_owned(), 4),
            ("word_embeddings".to_owned(), 1),
        ],
        alpha_pattern: vec![("value".to_owned(), 9.0), (r"body\.\d".to_owned(), 0.5)],
        ..settings
    }
}

fn ours() -> Vec<(&'static str, &'static str, PeftAdapter)> {
    let body = ["body.0", "body.2"];
    let all = ["tokens", "body.0", "body.2", "conv"];
    let bert = [
        "embeddings.word_embeddings",
        "encoder.layer.0.attention.self.query",
        "encoder.layer.0.attention.self.value",
        "encoder.layer.1.attention.self.query",
        "encoder.layer.1.attention.self.value",
        "encoder.layer.1.intermediate.dense",
    ];
    let targets = ["query", "value", "word_embeddings", "1.intermediate.dense"];
    let lora = |dora, rslora| settings(2, 3.0, dora, rslora, &["0", "body.2"]);
    let saved = PeftSettings {
        modules_to_save: vec!["head".to_owned()],
        ..with_patterns(settings(2, 3.0, true, true, &all))
    };
    let regex = PeftSettings {
        target_modules: TargetModules::Selected(dacapo_peft::ModuleSelection::Pattern(
            r"body\.(0|2)".to_owned(),
        )),
        ..lora(true, false)
    };
    let linear = PeftSettings {
        target_modules: TargetModules::AllLinear,
        exclude_modules: Some(dacapo_peft::ModuleSelection::Names(vec!["head".to_owned()])),
        ..lora(false, false)
    };
    let layers = PeftSettings {
        layers_to_transform: vec![1],
        ..settings(2, 3.0, true, false, &["query"])
    };
    vec![
        ("lora", "tree", adapter("tree", &body, lora(false, false))),
        ("rslora", "tree", adapter("tree", &body, lora(false, true))),
        ("dora", "tree", adapter("tree", &body, lora(true, false))),
        ("dora-regex", "tree", adapter("tree", &body, regex)),
        ("all-linear", "tree", adapter("tree", &body, linear)),
        (
            "dora-patterns",
            "tree",
            adapter(
                "tree",
                &all,
                with_patterns(settings(2, 3.0, true, false, &all)),
            ),
        ),
        (
            "lora-patterns",
            "tree",
            adapter(
                "tree",
                &all,
                with_patterns(settings(2, 3.0, false, false, &all)),
            ),
        ),
        ("saved", "tree", adapter("tree", &all, saved)),
        (
            "bert-dora",
            "bert",
            adapter(
                "bert",
                &bert,
                with_patterns(settings(2, 4.0, true, false, &targets)),
            ),
        ),
        (
            "bert-rslora",
            "bert",
            adapter(
                "bert",
                &bert,
                with_patterns(settings(2, 4.0, false, true, &targets)),
            ),
        ),
        (
            "bert-layers",
            "bert",
            adapter("bert", &["encoder.layer.1.attention.self.query"], layers),
        ),
    ]
}

#[test]
fn peft_computes_something_else_with_an_adapter_written_here() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut jobs, mut cases) = (Vec::new(), Vec::new());
    for (name, model, adapter) in ours() {
        for (key, spelling) in [
            (MagnitudeKey::Plain, "plain"),
            (MagnitudeKey::Weight, "weight"),
        ] {
            let PeftFiles { config, weights } = adapter.to_files(key).unwrap();
            let files = folder.path().join(format!("{name}-{spelling}"));
            std::fs::create_dir(&files).unwrap();
            std::fs::write(files.join(PeftFiles::CONFIG), config).unwrap();
            std::fs::write(files.join(PeftFiles::WEIGHTS), weights).unwrap();
            for how in ["load", "inject"] {
                let case = format!("{name}-{spelling}-{how}");
                let out = folder.path().join(&case);
                jobs.push(json!({"do": how, "model": model, "folder": files, "out": out}));
                cases.push((case, adapter.clone(), out));
            }
        }
    }
    run(&python, folder.path(), &jobs);
    for (case, adapter, out) in cases {
        assert_computes(&adapter, &out, &case);
    }
}

#[test]
fn adapter_of_peft_computes_something_else_when_read_here() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let tree = ["tokens", "0", "body.2", "conv"];
    let patterns = json!({
        "rank_pattern": {"body.0": 1, "conv": 4}, "alpha_pattern": {"body.*": 2.5, "tokens": 9},
    });
    let bert = ["query", "key", "word_embeddings", "intermediate.dense"];
    let theirs = [
        ("tree", json!({"target_modules": tree})),
        (
            "tree",
            json!({"target_modules": tree, "use_rslora": true, "modules_to_save": ["head"]}),
        ),
        (
            "tree",
            json!({"target_modules": tree, "use_dora": true, "modules_to_save": ["head"]}),
        ),
        (
            "tree",
            json!({"target_modules": "all-linear", "use_dora": true, "use_rslora": true}),
        ),
        (
            "bert",
            json!({"target_modules": bert, "layers_to_transform": [1]}),
        ),
        (
            "bert",
            json!({"target_modules": r".*\.(query|value)", "use_dora": true}),
        ),
        (
            "bert",
            json!({"target_modules": bert, "use_dora": true, "use_rslora": true}),
        ),
    ];
    let (mut jobs, mut cases) = (Vec::new(), Vec::new());
    for (number, (model, mut config)) in theirs.into_iter().enumerate() {
        config["r"] = json!(3);
        config["lora_alpha"] = json!(5);
        if number % 2 == 0 && model == "tree" {
            for (key, value) in patterns.as_object().unwrap() {
                config[key] = value.clone();
            }
        }
        // The embedding is in no numbered layer.
        if config.get("layers_to_transform").is_some() {
            config["target_modules"] = json!(["query", "key", "intermediate.dense"]);
        }
        let case = format!("{number}: {config}");
        let adapter = folder.path().join(format!("adapter-{number}"));
        let out = folder.path().join(format!("out-{number}"));
        jobs.push(json!({
            "do": "save", "model": model, "folder": adapter, "out": out, "config": config,
        }));
        cases.push((case, adapter, out));
    }
    run(&python, folder.path(), &jobs);
    for (case, folder, out) in cases {
        let adapter = PeftAdapter::read(folder).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_computes(&adapter, &out, &case);
    }
}
