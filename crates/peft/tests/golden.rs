//! Adapters that PEFT wrote, and what PEFT makes of them.

mod common;

use common::{files, golden, golden_json};
use dacapo_peft::{LayerKind, MagnitudeKey, PeftAdapter, PeftConfig, PeftFiles, PeftLayer};
use serde_json::{Value, json};

const BIN: &str = "bin";

fn names() -> Vec<String> {
    let golden = golden_json("peft.json");
    let adapters = golden["adapters"].as_object().expect("adapters");
    adapters.keys().cloned().collect()
}

fn bits(shape: &[usize], values: &[f32]) -> Value {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    json!({"shape": shape, "bits": hex})
}

fn number(value: f64) -> Value {
    format!("{:016x}", value.to_bits()).into()
}

fn describe_layer(config: &PeftConfig, module: &str, layer: &PeftLayer) -> Value {
    let (kind, kernel) = match layer.kind() {
        LayerKind::Linear => ("Linear".to_owned(), Vec::new()),
        LayerKind::Embedding => ("Embedding".to_owned(), Vec::new()),
        LayerKind::Conv { kernel } => (format!("Conv{}d", kernel.len()), kernel.clone()),
    };
    let ones = vec![1; kernel.len()];
    let (rank, outputs) = (layer.rank(), layer.outputs());
    let mut json = json!({
        "kind": kind,
        "a": bits(&[&[rank, layer.inputs()], &kernel[..]].concat(), layer.a().values()),
        "b": bits(&[&[outputs, rank], &ones[..]].concat(), layer.b().values()),
        "rank": config.rank_of(module),
        "alpha": number(config.alpha_of(module)),
        "scaling": number(config.scaling_of(module, rank)),
    });
    if let Some(magnitude) = layer.magnitude() {
        let shape = match ones.as_slice() {
            [] => vec![outputs],
            ones => [&[1, outputs], ones].concat(),
        };
        json["magnitude"] = bits(&shape, magnitude);
    }
    json
}

fn describe(adapter: &PeftAdapter) -> Value {
    let layers = adapter.layers().iter().map(|(module, layer)| {
        let layer = describe_layer(adapter.config(), module, layer);
        (module.clone(), layer)
    });
    let saved = adapter.saved().iter();
    let saved = saved.map(|(name, tensor)| (name.clone(), bits(tensor.shape(), tensor.values())));
    json!({
        "layers": layers.collect::<serde_json::Map<_, _>>(),
        "saved": saved.collect::<serde_json::Map<_, _>>(),
    })
}

#[test]
fn adapter_is_read_as_another_than_peft_reads_it() {
    let golden_values = golden_json("peft.json");
    for name in names() {
        let adapter = PeftAdapter::read(golden(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let expected = &golden_values["adapters"][&name];
        for part in ["layers", "saved"] {
            let (found, expected) = (&describe(&adapter)[part], &expected[part]);
            let modules = |json: &Value| json.as_object().expect("a table").clone();
            let keys = |json| modules(json).keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(found), keys(expected), "{name}");
            for (module, found) in modules(found) {
                assert_eq!(found, expected[&module], "{name}: {module}");
            }
        }
    }
    // The table has what it is meant to have.
    let adapters = names();
    for name in [
        "dora",
        "rslora",
        "rank_pattern",
        "conv_dora",
        "embedding_dora",
        "base_layer",
    ] {
        assert!(adapters.iter().any(|adapter| adapter == name), "{name}");
    }
}

#[test]
fn bytes_are_read_otherwise_than_a_folder() {
    for name in names().iter().filter(|name| *name != BIN) {
        let (config, weights) = files(name);
        let adapter = PeftAdapter::from_bytes(&config, &weights).expect("PEFT's");
        assert_eq!(adapter, PeftAdapter::read(golden(name)).expect("PEFT's"));
    }
}

#[test]
fn reading_and_writing_changes_an_adapter() {
    for name in names() {
        let adapter = PeftAdapter::read(golden(&name)).expect("PEFT's");
        for key in [MagnitudeKey::Plain, MagnitudeKey::Weight] {
            let PeftFiles { config, weights } = adapter.to_files(key).expect("written");
            let again = PeftAdapter::from_bytes(&config, &weights);
            assert_eq!(again.expect("ours"), adapter, "{name}");
        }
    }
}

/// Those that PEFT itself saved, all values f32, in a file of safetensors.
#[test]
fn written_file_differs_from_the_file_of_peft() {
    let changed = [
        "half",
        "magnitude_default",
        "magnitude_weight",
        "without_prefix",
        BIN,
    ];
    for name in names() {
        let adapter = PeftAdapter::read(golden(&name)).expect("PEFT's");
        let ours = adapter.to_files(MagnitudeKey::Plain).expect("written");
        let config = common::read_golden(&format!("{name}/adapter_config.json"));
        let text = |bytes| String::from_utf8(bytes).expect("text");
        assert_eq!(text(ours.config), text(config), "{name}");
        if !changed.contains(&name.as_str()) {
            assert!(ours.weights == files(&name).1, "{name}");
        }
    }
    let dora = PeftAdapter::read(golden("dora")).expect("PEFT's");
    let ours = dora.to_files(MagnitudeKey::Weight).expect("written");
    assert!(ours.weights == files("magnitude_weight").1);
}

/// A settings file of these keys.
fn config(keys: &Value) -> PeftConfig {
    let mut all = json!({"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["x"]});
    for (key, value) in keys.as_object().expect("a table") {
        all[key] = value.clone();
    }
    PeftConfig::from_json(all.to_string().as_bytes()).unwrap_or_else(|e| panic!("{keys}: {e}"))
}

#[test]
fn module_is_a_target_here_and_none_in_peft() {
    let golden = golden_json("matching.json");
    let modules = golden["modules"].as_array().expect("a list");
    let selections = golden["selections"].as_array().expect("a list");
    assert!(selections.len() > 20);
    for selection in selections {
        let config = config(&selection["settings"]);
        for (module, expected) in modules.iter().zip(selection["targets"].as_array().unwrap()) {
            let found = config.is_target(module.as_str().unwrap());
            assert_eq!(
                found,
                expected == true,
                "{module} in {}",
                selection["settings"]
            );
        }
    }
}

#[test]
fn pattern_matches_a_module_here_and_not_in_peft() {
    let golden = golden_json("matching.json");
    let modules = golden["modules"].as_array().expect("a list");
    let patterns = golden["patterns"].as_array().expect("a list");
    assert!(patterns.len() > 10);
    for pattern in patterns {
        let keys = pattern["keys"].as_array().expect("a list");
        // The rank tells the place of the pattern, written in their order.
        let entries = (2..).zip(keys).map(|(rank, key)| format!("{key}: {rank}"));
        let table = entries.collect::<Vec<_>>().join(",");
        let text = format!(
            r#"{{"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["x"],
                "rank_pattern": {{{table}}}, "alpha_pattern": {{{table}}}}}"#
        );
        let config = PeftConfig::from_json(text.as_bytes()).unwrap();
        for (module, expected) in modules.iter().zip(pattern["found"].as_array().unwrap()) {
            let module = module.as_str().unwrap();
            let expected = expected.as_u64().map_or(1, |index| index as usize + 2);
            assert_eq!(config.rank_of(module), expected, "{module} in {keys:?}");
            assert_eq!(
                config.alpha_of(module),
                expected as f64,
                "{module} in {keys:?}"
            );
        }
        // Their order survives.
        let again = PeftConfig::from_json(&config.to_json()).unwrap();
        assert_eq!(again, config);
        assert_eq!(again.to_json(), config.to_json());
    }
}
