//! Adapters that are none of this model's, or damaged, are refused by name.

use std::{collections::BTreeMap, fs};

use dacapo_tests::Sandbox;
use serde_json::{Value, json};

use crate::{
    export::export,
    import::import,
    models::{Kind, Raw, dora, tensors, write_tensors},
};

/// An adapter in the folder `theirs`, and a configuration that would take it.
struct Adapter {
    sandbox: Sandbox,
    config: Value,
    tensors: BTreeMap<String, Raw>,
}

const WEIGHTS: &str = "theirs/adapter_model.safetensors";
const CONFIG: &str = "theirs/adapter_config.json";

impl Adapter {
    fn new() -> Self {
        let kind = Kind::Bert;
        let sandbox = kind.trained(&dora(kind));
        export(&sandbox, "theirs", &[]);
        sandbox.remove("run");
        fs::write(sandbox.path("run.toml"), kind.config("")).expect("written");
        let config = fs::read(sandbox.path(CONFIG)).expect("written");
        Self {
            config: serde_json::from_slice(&config).expect("JSON"),
            tensors: tensors(&sandbox.path(WEIGHTS)),
            sandbox,
        }
    }

    /// The adapter with this change is refused, and nothing is made of it.
    #[track_caller]
    fn refused(&self, change: impl FnOnce(&mut Value, &mut BTreeMap<String, Raw>), parts: &[&str]) {
        let (mut config, mut tensors) = (self.config.clone(), self.tensors.clone());
        change(&mut config, &mut tensors);
        fs::write(self.sandbox.path(CONFIG), config.to_string()).expect("written");
        write_tensors(&self.sandbox.path(WEIGHTS), &tensors);
        let error = import(&self.sandbox, "theirs", &[]).expect_code(2).err;
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
        assert!(!self.sandbox.path("run").exists());
    }
}

/// A layer of 32 inputs and 40 outputs.
const LAYER: &str = "encoder.layer.1.intermediate.dense";

fn name(part: &str) -> String {
    format!("base_model.model.{LAYER}.{part}")
}

#[test]
fn bad_adapter_is_imported() {
    let adapter = Adapter::new();
    let magnitude = name("lora_magnitude_vector");
    // By input, as other tools have it.
    adapter.refused(
        |_, tensors| {
            let (_, shape, bytes) = tensors.get_mut(&magnitude).expect("there");
            *shape = vec![32];
            bytes.truncate(4 * 32);
        },
        &[
            LAYER,
            "another tool's axis",
            "40 outputs",
            "[32]",
            "32 inputs",
        ],
    );
    adapter.refused(
        |config, _| config["r"] = json!(4),
        &["expected rank 4", "found 3", "rank_pattern"],
    );
    adapter.refused(
        |_, tensors| {
            tensors.remove(&magnitude);
        },
        &[LAYER, "expected a magnitude", "use_dora"],
    );
    adapter.refused(
        |config, _| config["use_dora"] = json!(false),
        &["expected no magnitude", "use_dora"],
    );
    adapter.refused(
        |config, _| config["base_model_name_or_path"] = json!("them/bert-bnb-4bit"),
        &["quantised", "them/bert-bnb-4bit"],
    );
    adapter.refused(
        |config, _| config["init_lora_weights"] = json!("loftq"),
        &["init_lora_weights", "loftq"],
    );
    adapter.refused(
        |_, tensors| {
            tensors.remove(&name("lora_B.weight"));
        },
        &["lora_B", LAYER],
    );
    adapter.refused(
        |_, tensors| {
            let (_, _, bytes) = tensors.get_mut(&magnitude).expect("there");
            bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        },
        &[LAYER, "NaN"],
    );
    // As if the model were wider.
    adapter.refused(
        |_, tensors| {
            let (_, shape, bytes) = tensors.get_mut(&name("lora_A.weight")).expect("there");
            *shape = vec![3, 33];
            bytes.extend([0; 12]);
        },
        &[
            "encoder.blocks.1.mlp.fc1.adapter.lora_a",
            "[3, 32]",
            "[3, 33]",
        ],
    );
    adapter.refused(
        |_, tensors| tensors.clear(),
        &["at least one adapted layer"],
    );
    // Unchanged it is none of these.
    fs::write(adapter.sandbox.path(CONFIG), adapter.config.to_string()).expect("written");
    write_tensors(&adapter.sandbox.path(WEIGHTS), &adapter.tensors);
    import(&adapter.sandbox, "theirs", &[]).expect_code(0);
}

#[test]
fn layer_that_the_model_does_not_have_is_passed_over() {
    let adapter = Adapter::new();
    for other in [
        "encoder.layer.7.intermediate.dense",
        "pooler.dense",
        "embeddings.LayerNorm",
    ] {
        adapter.refused(
            |config, tensors| {
                let targets = config["target_modules"].as_array_mut().expect("a list");
                targets.iter_mut().for_each(|target| {
                    if *target == LAYER {
                        *target = json!(other);
                    }
                });
                *tensors = std::mem::take(tensors)
                    .into_iter()
                    .map(|(name, raw)| (name.replace(LAYER, other), raw))
                    .collect();
            },
            &[&format!("`{other}`"), "no linear layer"],
        );
    }
    // An embedding's, and a convolution's.
    for (a, b, told) in [
        ("lora_embedding_A", "lora_embedding_B", "no embedding that"),
        ("lora_A.weight", "lora_B.weight", "no convolution of"),
    ] {
        adapter.refused(
            |_, tensors| {
                for (from, to) in [("lora_A.weight", a), ("lora_B.weight", b)] {
                    let (dtype, mut shape, bytes) = tensors.remove(&name(from)).expect("there");
                    if told.contains("convolution") {
                        shape.extend([1, 1]);
                    }
                    tensors.insert(name(to), (dtype, shape, bytes));
                }
                if told.contains("convolution") {
                    let magnitude = tensors.get_mut(&name("lora_magnitude_vector"));
                    magnitude.expect("there").1 = vec![1, 40, 1, 1];
                }
            },
            &[&format!("`{LAYER}`"), told],
        );
    }
}

#[test]
fn tensor_that_the_model_does_not_have_is_passed_over() {
    let adapter = Adapter::new();
    // Trained whole, besides: 40 values of another layer, and what is in no place here.
    for (module, tensor) in [
        ("pooler", "pooler.dense.bias"),
        ("embeddings.LayerNorm", "embeddings.LayerNorm.bias"),
        (
            "token_type_embeddings",
            "embeddings.token_type_embeddings.weight",
        ),
    ] {
        adapter.refused(
            |config, tensors| {
                config["modules_to_save"] = json!([module]);
                let raw = tensors[&name("lora_magnitude_vector")].clone();
                tensors.insert(format!("base_model.model.{tensor}"), raw);
            },
            &[tensor, "shape [40]", "merge_and_unload"],
        );
    }
    // The base of a layer that is adapted, as PEFT saves one that was changed.
    adapter.refused(
        |_, tensors| {
            let raw = tensors[&name("lora_magnitude_vector")].clone();
            tensors.insert(name("base_layer.bias"), raw);
        },
        &[LAYER, "an adapter besides", "merge_and_unload"],
    );
    fs::write(adapter.sandbox.path("theirs/head.safetensors"), "none").expect("written");
    adapter.refused(|_, _| {}, &["head.safetensors", "damaged"]);
}
