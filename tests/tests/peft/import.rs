//! `dacapo import --format peft`.

use std::fs;

use dacapo::trainer::TrainerRecord;
use dacapo_tests::{Finished, Sandbox, assert_same_run};
use serde_json::{Value, json};

use crate::{
    export::export,
    models::{Kind, dora, rslora, tensors},
    outputs::{Of, assert_close, job, own_outputs, python, run_python},
};

/// Begins the run `run` with the adapter in the folder `adapter`.
pub fn import(sandbox: &Sandbox, adapter: &str, more: &[&str]) -> Finished {
    let args = [
        "import", adapter, "run.toml", "--format", "peft", "--out", "run",
    ];
    let args: Vec<&str> = args.iter().chain(more).copied().collect();
    sandbox.run(args)
}

/// A folder with the adapter of a trained run in `theirs`, without that run.
fn exported(kind: Kind, adapt: &str) -> (Sandbox, TrainerRecord) {
    let sandbox = kind.trained(adapt);
    export(&sandbox, "theirs", &[]);
    let record = sandbox.latest("run");
    sandbox.remove("run");
    (sandbox, record)
}

#[test]
fn adapter_is_changed_by_a_round_trip() {
    for kind in [Kind::Bert, Kind::Clip] {
        for adapt in [dora(kind), rslora(kind)] {
            let (sandbox, before) = exported(kind, &adapt);
            fs::write(sandbox.path("run.toml"), kind.config("")).expect("written");
            let told = import(&sandbox, "theirs", &["--json"])
                .expect_code(0)
                .json();
            assert_eq!(told["step"], json!(0));
            let after = sandbox.latest("run");
            assert!(before.adapters.keys().eq(after.adapters.keys()), "{kind:?}");
            for (path, data) in &before.adapters {
                assert_eq!(data.as_bytes(), after.adapters[path].as_bytes(), "{path}");
            }
            export(&sandbox, "again", &["--base-model", "base"]);
            let mut files = vec!["adapter_model.safetensors"];
            files.extend((kind == Kind::Bert).then_some("head.safetensors"));
            for file in files {
                let read = |folder: &str| fs::read(sandbox.path(folder).join(file)).expect("there");
                assert!(read("theirs") == read("again"), "{kind:?}: {file}");
            }
            let config = |folder: &str| -> Value {
                let path = sandbox.path(folder).join("adapter_config.json");
                let mut config: Value =
                    serde_json::from_slice(&fs::read(path).expect("there")).expect("JSON");
                // How it began is in no file of theirs but this.
                config["init_lora_weights"] = Value::Null;
                config
            };
            assert_eq!(config("theirs"), config("again"), "{kind:?}");
        }
    }
}

#[test]
fn imported_run_does_not_go_on_like_any_other() {
    let kind = Kind::Bert;
    let (sandbox, _) = exported(kind, &dora(kind));
    fs::write(sandbox.path("run.toml"), kind.config("")).expect("written");
    let told = import(&sandbox, "theirs", &[]).expect_code(0).out;
    assert!(
        told.contains("10 layers") && told.contains("dacapo resume run"),
        "{told}"
    );
    let events = fs::read_to_string(sandbox.path("run/events.jsonl")).expect("events");
    assert!(events.contains("\"import\""), "{events}");

    let record = sandbox.latest("run");
    let source = record.run.lineage[0].imported.clone().expect("an import");
    assert_eq!((source.format.as_str(), source.epoch), ("peft", 0));
    for name in [
        "adapter_config.json",
        "adapter_model.safetensors",
        "head.safetensors",
    ] {
        let bytes = fs::read(sandbox.path("theirs").join(name)).expect("there");
        assert_eq!(
            source.files[name],
            blake3::hash(&bytes).to_hex().to_string()
        );
    }
    assert_eq!(source.files.len(), 3);
    assert!(record.optimizer.steps().all(|(_, step)| step == 0));
    assert_eq!((record.run.global_step, record.data.epoch), (0, 0));
    let lineage = sandbox.run(["lineage", "run"]).expect_code(0).out;
    assert!(lineage.contains("peft"), "{lineage}");

    sandbox.copy("run", "halves");
    sandbox.run(["resume", "run"]).expect_code(0);
    for step in ["1", "3"] {
        let stop = ["resume", "halves", "--stop-after-step", step];
        sandbox.run(stop).expect_code(0);
    }
    sandbox.run(["resume", "halves"]).expect_code(0);
    assert_same_run(&sandbox.path("run"), &sandbox.path("halves"));
    assert_eq!(sandbox.history("run").lines().count(), 3);

    let exists = import(&sandbox, "theirs", &[]).expect_code(2).err;
    assert!(exists.contains("exists already"), "{exists}");
    let epoch = [
        "import", "theirs", "run.toml", "--format", "peft", "--out", "new", "--epoch", "1",
    ];
    let epoch = sandbox.run(epoch).expect_code(2).err;
    assert!(epoch.contains("--epoch has no meaning"), "{epoch}");
}

#[test]
fn section_that_is_not_the_adapters_is_passed_over() {
    let kind = Kind::Bert;
    let (sandbox, _) = exported(kind, &dora(kind));
    // The same in other words.
    fs::write(sandbox.path("run.toml"), kind.config(&dora(kind))).expect("written");
    import(&sandbox, "theirs", &[]).expect_code(0);
    sandbox.remove("run");

    let refused = |from: &str, to: &str, parts: &[&str]| {
        let adapt = dora(kind).replace(from, to);
        assert_ne!(adapt, dora(kind));
        fs::write(sandbox.path("run.toml"), kind.config(&adapt)).expect("written");
        let error = import(&sandbox, "theirs", &[]).expect_code(2).err;
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
        assert!(!sandbox.path("run").exists());
        error
    };
    let error = refused(
        "rank = 3",
        "rank = 4",
        &[
            "rank of encoder.blocks.0.attn.key is 4, the adapter's 3",
            "[adapt]\n",
            "rank = 3\n",
            "\"encoder.blocks.1.attn.query\" = 2\n",
            "also_train = [\"head.*\"]\n",
        ],
    );
    // What it shows is a section that fits.
    let section = error.split("\n\n").nth(2);
    let rest = error.split_once("[adapt]\n").expect("a section").1;
    let shown = rest.split_once("\nin its place").expect("its end").0;
    assert!(section.is_some());
    let shown = kind.config(&format!("[adapt]\n{shown}\n"));
    fs::write(sandbox.path("run.toml"), shown).expect("written");
    import(&sandbox, "theirs", &[]).expect_code(0);
    sandbox.remove("run");

    let alpha = ["alpha of encoder.blocks.1.mlp.fc2 is 3, the adapter's 2.5"];
    refused("= 2.5", "= 3.0", &alpha);
    let dropout = ["dropout is 0.25, the adapter's 0.125"];
    refused("dropout = 0.125", "dropout = 0.25", &dropout);
    let flavour = ["flavour is \"clip-hba\", the adapter's \"peft\""];
    refused("\"peft\"", "\"clip-hba\"", &flavour);
    let rslora = ["rslora is true, the adapter's false"];
    refused("rank = 3", "rank = 3\nrslora = true", &rslora);
    let init = ["init is \"pissa\""];
    refused("rank = 3", "rank = 3\ninit = \"pissa\"", &init);
    let lacks = ["targets lacks layers of the adapter: encoder.blocks.1.mlp.fc1"];
    refused("encoder.blocks.1.mlp.*", "encoder.blocks.1.mlp.fc2", &lacks);
    let extra = ["targets has layers that the adapter has not: encoder.blocks.0.mlp.fc1"];
    refused("encoder.blocks.1.mlp.*", "encoder.blocks.*.mlp.*", &extra);
    let head = ["head.safetensors", "head.bias", "not trained"];
    let head = refused("also_train = [\"head.*\"]\n", "", &head[..1]);
    assert!(head.contains("is not trained"), "{head}");
}

#[test]
fn adapter_of_peft_is_changed_or_computes_something_else() {
    let Some(python) = python() else { return };
    let dora = json!({
        "r": 3, "lora_alpha": 7, "use_dora": true, "lora_dropout": 0.1,
        "rank_pattern": {"1.*query": 2, "vision_model.*q_proj": 4},
        "alpha_pattern": {"value|v_proj": 2.5},
    });
    let lora =
        json!({"r": 2, "lora_alpha": 5, "use_rslora": true, "init_lora_weights": "gaussian"});
    for kind in [Kind::Bert, Kind::Clip] {
        let sandbox = kind.sandbox();
        let mut jobs = Vec::new();
        for (name, config) in [("dora", &dora), ("lora", &lora)] {
            let mut config = config.clone();
            config["target_modules"] = match kind {
                Kind::Bert => json!(["query", "value", "intermediate.dense"]),
                Kind::Clip => json!(r".*layers\.1\.(self_attn\.(q|v|out)_proj|mlp\.fc2)"),
            };
            let mut job = job(
                kind,
                "make",
                sandbox.root(),
                "base",
                &format!("{name}.json"),
            );
            job["config"] = config;
            job["adapter"] = json!(sandbox.path(name));
            jobs.push(job);
        }
        let theirs = run_python(&python, sandbox.root(), &jobs);
        fs::write(sandbox.path("run.toml"), kind.config("")).expect("written");
        for (name, theirs) in ["dora", "lora"].iter().zip(&theirs) {
            import(&sandbox, name, &[]).expect_code(0);
            let record = sandbox.latest("run");
            let ours = own_outputs(kind, sandbox.root(), &Of::Run(&record));
            assert_close(&format!("{kind:?} {name}"), &ours, theirs);

            let out = format!("{name}-again");
            export(&sandbox, &out, &[]);
            let file =
                |folder: &str| tensors(&sandbox.path(folder).join("adapter_model.safetensors"));
            let (before, after) = (file(name), file(&out));
            assert!(before == after, "{kind:?} {name}");
            assert!(!before.is_empty());
            sandbox.remove("run");
        }
    }
}

/// Modules that were trained whole, and a convolution that is a linear layer here.
#[test]
fn what_an_adapter_brings_along_or_a_convolutions_is_changed() {
    let Some(python) = python() else { return };
    let adapters = [
        (
            Kind::Bert,
            json!({"target_modules": ["query"], "modules_to_save": [
                "embeddings.LayerNorm", "1.output.LayerNorm", "1.intermediate.dense",
                "position_embeddings",
            ]}),
            // Weight and bias of three, and one without a bias.
            7,
        ),
        (
            Kind::Clip,
            json!({"target_modules": ["patch_embedding", "1.self_attn.v_proj"],
                "modules_to_save": ["vision_model.post_layernorm", "visual_projection"]}),
            3,
        ),
        (
            Kind::Clip,
            json!({"target_modules": ["patch_embedding", "visual_projection"]}),
            0,
        ),
    ];
    for (kind, config, saved) in adapters {
        for use_dora in [true, false] {
            let mut config = config.clone();
            for (key, value) in [("r", json!(2)), ("lora_alpha", json!(3))] {
                config[key] = value;
            }
            config["use_dora"] = json!(use_dora);
            config["lora_dropout"] = json!(0.1);
            let sandbox = kind.sandbox();
            let mut job = job(kind, "make", sandbox.root(), "base", "outputs.json");
            job["config"] = config.clone();
            job["adapter"] = json!(sandbox.path("theirs"));
            let theirs = run_python(&python, sandbox.root(), &[job]).remove(0);
            fs::write(sandbox.path("run.toml"), kind.config("")).expect("written");
            import(&sandbox, "theirs", &[]).expect_code(0);
            let record = sandbox.latest("run");
            let ours = own_outputs(kind, sandbox.root(), &Of::Run(&record));
            assert_close(&format!("{kind:?} {config}"), &ours, &theirs);
            let paths = record.adapters.keys();
            let whole = paths.filter(|path| !path.contains(".adapter.") && !path.contains("head"));
            assert_eq!(whole.count(), saved, "{config}");

            sandbox.copy("run", "halves");
            sandbox.run(["resume", "run"]).expect_code(0);
            sandbox
                .run(["resume", "halves", "--stop-after-step", "1"])
                .expect_code(0);
            sandbox.run(["resume", "halves"]).expect_code(0);
            assert_same_run(&sandbox.path("run"), &sandbox.path("halves"));
            let after = sandbox.latest("run");
            for (path, data) in &record.adapters {
                assert_ne!(
                    data.as_bytes(),
                    after.adapters[path].as_bytes(),
                    "{path} is frozen"
                );
            }

            let file = |name: &str| tensors(&sandbox.path(name).join("adapter_model.safetensors"));
            sandbox.remove("run");
            import(&sandbox, "theirs", &[]).expect_code(0);
            let again = ["export", "run", "--format", "peft", "--out", "again"];
            match saved {
                0 => {
                    sandbox.run(again).expect_code(0);
                    assert!(file("theirs") == file("again"), "{config}");
                }
                _ => {
                    let refused = sandbox.run(again).expect_code(2).err;
                    assert!(refused.contains("also_train"), "{refused}");
                    // The same run under a section that freezes them is none.
                    let name = match kind {
                        Kind::Bert => "encoder.embed.norm.gamma",
                        Kind::Clip => "visual.projection.weight",
                    };
                    let text = fs::read_to_string(sandbox.path("run/config.toml"));
                    let text = text.expect("a configuration");
                    assert!(text.contains(name), "{text}");
                    fs::write(sandbox.path("run.toml"), text.replace(name, "*.magnitude"))
                        .expect("written");
                    sandbox.remove("run");
                    let refused = import(&sandbox, "theirs", &[]).expect_code(2).err;
                    assert!(refused.contains(name), "{refused}");
                }
            }
        }
    }
}
