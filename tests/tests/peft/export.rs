//! `dacapo export --format peft`.

use std::fs;

use dacapo_tests::{Sandbox, sandbox};
use serde_json::{Value, json};

use crate::{
    models::{Kind, Raw, dora, rslora, tensors},
    outputs::{Of, assert_close, distance, job, own_outputs, python, run_python},
};

/// The run in `run` as an adapter in the folder `out`.
#[track_caller]
pub fn export(sandbox: &Sandbox, out: &str, more: &[&str]) -> Value {
    let args = ["export", "run", "--format", "peft", "--json", "--out", out];
    let args: Vec<&str> = args.iter().chain(more).copied().collect();
    sandbox.run(args).expect_code(0).json()
}

/// How the program refuses to export the run in `run`.
#[track_caller]
fn refused(sandbox: &Sandbox, parts: &[&str]) {
    let args = ["export", "run", "--format", "peft", "--out", "refused"];
    let error = sandbox.run(args).expect_code(2).err;
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert!(!sandbox.path("refused").exists());
}

#[test]
fn peft_computes_something_else_with_an_exported_run() {
    let Some(python) = python() else { return };
    for kind in [Kind::Bert, Kind::Clip] {
        for adapt in [dora(kind), rslora(kind)] {
            let sandbox = kind.trained(&adapt);
            export(&sandbox, "plain", &[]);
            export(&sandbox, "weight", &["--magnitude-key", "weight"]);
            let merge = ["merge", "run", "--out", "merged/model.safetensors"];
            sandbox.run(merge).expect_code(0);
            let copied = fs::copy(
                sandbox.path("base/config.json"),
                sandbox.path("merged/config.json"),
            );
            copied.expect("copied");

            let with = |adapter: &str, name: &str| {
                let mut job = job(kind, "outputs", sandbox.root(), "base", name);
                job["adapter"] = json!(sandbox.path(adapter));
                job
            };
            let jobs = [
                with("plain", "plain.json"),
                with("weight", "weight.json"),
                job(kind, "outputs", sandbox.root(), "merged", "merged.json"),
                job(kind, "outputs", sandbox.root(), "base", "base.json"),
            ];
            let theirs = run_python(&python, sandbox.root(), &jobs);
            let record = sandbox.latest("run");
            let ours = own_outputs(kind, sandbox.root(), &Of::Run(&record));
            for (what, theirs) in ["plain", "weight", "merged"].iter().zip(&theirs) {
                assert_close(&format!("{kind:?} {what} {adapt}"), theirs, &ours);
            }
            // There was something to be wrong about.
            assert!(distance(&theirs[3], &ours) > 1e-2, "{kind:?}");
        }
    }
}

#[test]
fn adapter_is_named_or_shaped_otherwise_than_its_layer() {
    let sandbox = Kind::Bert.trained(&dora(Kind::Bert));
    let told = export(&sandbox, "out", &["--base-model", "someone/their-bert"]);
    assert_eq!(told["layers"], json!(10));
    assert_eq!(told["base_model_name_or_path"], json!("someone/their-bert"));

    let config = fs::read(sandbox.path("out/adapter_config.json")).expect("written");
    let config: Value = serde_json::from_slice(&config).expect("JSON");
    let query = "encoder.layer.1.attention.self.query";
    for (key, value) in [
        ("base_model_name_or_path", json!("someone/their-bert")),
        ("use_dora", json!(true)),
        ("use_rslora", json!(false)),
        ("r", json!(3)),
        ("lora_dropout", json!(0.125)),
        ("rank_pattern", json!({ query: 2 })),
        (
            "alpha_pattern",
            json!({ "encoder.layer.1.output.dense": 2.5 }),
        ),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
    assert_eq!(config["lora_alpha"].as_f64(), Some(5.0));
    assert_eq!(config["target_modules"].as_array().map(Vec::len), Some(10));

    // As they are in the record, whose axes are PEFT's.
    let record = sandbox.latest("run");
    let written = tensors(&sandbox.path("out/adapter_model.safetensors"));
    assert_eq!(written.len(), 30);
    for (theirs, ours) in [
        ("lora_A.weight", "lora_a"),
        ("lora_B.weight", "lora_b"),
        ("lora_magnitude_vector", "magnitude"),
    ] {
        let data = &record.adapters[&format!("encoder.blocks.1.attn.query.adapter.{ours}")];
        let (_, shape, bytes): &Raw = &written[&format!("base_model.model.{query}.{theirs}")];
        assert_eq!(shape, data.shape.as_slice(), "{theirs}");
        assert_eq!(bytes, data.as_bytes(), "{theirs}");
    }
    let head = tensors(&sandbox.path("out/head.safetensors"));
    assert_eq!(head["head.weight"].1, [66, 32]);
    assert_eq!(head["head.bias"].2, record.adapters["head.bias"].as_bytes());

    // A checkpoint in the run's folder is the same.
    let args = ["export", "run", "--format", "peft", "--out", "out"];
    let twice = sandbox.run(args).expect_code(2).err;
    assert!(twice.contains("exists already"), "{twice}");
    let name = fs::read_to_string(sandbox.path("run/latest")).expect("a pointer");
    let name = name.split_whitespace().next().expect("a name");
    let folder = sandbox.path("run/checkpoints");
    let file = fs::read_dir(&folder).expect("checkpoints");
    let file = file.map(|entry| entry.expect("an entry").path());
    let mut files = file.filter(|path| path.to_string_lossy().contains(name));
    let file = files.next().expect("the latest checkpoint");
    let text = file.to_str().expect("UTF-8");
    let args = ["export", text, "--format", "peft", "--out", "again"];
    sandbox.run(args).expect_code(0);
    let read = |folder: &str| {
        fs::read(sandbox.path(folder).join("adapter_model.safetensors")).expect("written")
    };
    assert!(read("out") == read("again"));

    let lost = sandbox.path("lost");
    fs::copy(&file, &lost).expect("copied");
    let args = ["export", "lost", "--format", "peft", "--out", "refused"];
    let error = sandbox.run(args).expect_code(2).err;
    assert!(error.contains("lies in no run folder"), "{error}");
    let args = [
        "export",
        "run",
        "--format",
        "clip-hba",
        "--out",
        "refused",
        "--base-model",
        "x",
    ];
    let error = sandbox.run(args).expect_code(2).err;
    assert!(error.contains("no meaning"), "{error}");
}

#[test]
fn run_that_peft_would_compute_otherwise_is_exported() {
    let other = |from: &str, to: &str| {
        let adapt = dora(Kind::Clip).replace(
            "[adapt.rank_pattern]\n\"text.blocks.1.attn.query\" = 2\n",
            "",
        );
        let changed = adapt.replace(from, to);
        assert_ne!(changed, adapt);
        Kind::Clip.trained(&changed)
    };
    let sandbox = other("flavour = \"peft\"", "flavour = \"clip-hba\"");
    refused(&sandbox, &["clip-hba", "another function", "dacapo merge"]);
    let sandbox = other("flavour = \"peft\"", "flavour = \"peft\"\ninit = \"pissa\"");
    refused(&sandbox, &["pissa", "out of the base", "dacapo merge"]);
    let sandbox = other(
        "dropout",
        "also_train = [\"visual.blocks.1.norm1.*\"]\ndropout",
    );
    refused(
        &sandbox,
        &["visual.blocks.1.norm1", "also_train", "dacapo merge"],
    );
    let full = Kind::Clip.trained("[adapt]\nmode = \"full\"\n");
    refused(&full, &["no adapters", "dacapo merge"]);
}

#[test]
fn base_that_nobody_has_is_exported() {
    let sandbox = sandbox!();
    let train = ["train", "--out", "run", "--stop-after-step", "1"];
    sandbox.run(train).expect_code(0);
    refused(&sandbox, &["known to no other program"]);

    let sandbox = Kind::Clip.sandbox();
    let random = Kind::Clip
        .config(&dora(Kind::Clip))
        .replace("\"base/model.safetensors\"", "\"random\"");
    fs::write(sandbox.path("run.toml"), random).expect("written");
    let train = [
        "train",
        "run.toml",
        "--out",
        "run",
        "--stop-after-step",
        "1",
    ];
    sandbox.run(train).expect_code(0);
    refused(&sandbox, &["random weights"]);
}

#[test]
fn other_base_than_the_run_had_is_taken_for_it() {
    let sandbox = Kind::Bert.trained(&dora(Kind::Bert));
    let path = sandbox.path("base/model.safetensors");
    let mut weights = tensors(&path);
    let (_, _, bytes) = weights
        .get_mut("embeddings.LayerNorm.bias")
        .expect("a tensor");
    bytes[0] ^= 1;
    crate::models::write_tensors(&path, &weights);
    refused(&sandbox, &["base is another", "hash"]);
    let merge = ["merge", "run", "--out", "refused.safetensors"];
    let error = sandbox.run(merge).expect_code(2).err;
    assert!(error.contains("base is another"), "{error}");
}
