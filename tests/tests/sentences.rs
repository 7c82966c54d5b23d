//! BERT on THINGS' names through the program: stopped, resumed, branched, with and without kept rows,
//! and what is refused before training.

use std::{
    fs,
    path::{Path, PathBuf},
};

use dacapo_tests::{Sandbox, dissimilarities, sandbox, target_table};

const WORDS: [&str; 8] = ["bat", "bow", "cup", "dog", "fig", "hat", "jar", "owl"];

/// A table of so many objects of one or two words, from `first` on.
fn table(first: usize, count: usize) -> String {
    target_table(first, count, |object| {
        let (one, other) = (WORDS[object % 8], WORDS[object / 8]);
        match object % 3 {
            0 => format!("{one}_{other}_01b.jpg"),
            _ => format!("{one}{}_01b.jpg", object / 8),
        }
    })
}

fn vocabulary() -> String {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let digits = ["##0", "##1", "##2", "##3"];
    let tokens = special.into_iter().chain(WORDS).chain(digits);
    tokens.map(|token| format!("{token}\n")).collect()
}

const CONFIG: &str = r#"
[run]
seed = 3
[model]
kind = "bert"
[data]
name = "things"
[sentences]
weights = "random"
tokenizer = "vocab.txt"
targets = "targets.csv"
rsa_targets = "heldout.csv"
rsa_rdm = "rdm.csv"
dropout = 0.1
prefix_batch = 4
sizes = { vocabulary = 17, context = 12, d_model = 16, blocks = 3, heads = 2, d_mlp = 32, eps = 1e-12, dropout = 0.0 }
[adapt]
rank = 2
alpha = 4.0
dropout = 0.1
targets = ["encoder.blocks.2.attn.*"]
also_train = ["head.*"]
[optimizer]
lr = 0.01
[scheduler]
kind = "constant"
[train]
epochs = 3
batch_size = 4
"#;

fn write(sandbox: &Sandbox, name: &str, text: &str) {
    fs::write(sandbox.path(name), text).expect("the folder can be written to");
}

/// 20 objects to train and judge on, 6 for the RSA.
fn small() -> Sandbox {
    let sandbox = sandbox!();
    write(&sandbox, "vocab.txt", &vocabulary());
    write(&sandbox, "targets.csv", &table(0, 20));
    write(&sandbox, "heldout.csv", &table(20, 6));
    write(&sandbox, "rdm.csv", &dissimilarities(6));
    write(&sandbox, "run.toml", CONFIG);
    sandbox
}

fn train<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "run.toml", "--out", out], more].concat()
}

#[test]
fn stopped_run_ends_in_other_bits() {
    let sandbox = small();
    let end = sandbox.run(train("whole", &[])).expect_code(0).out;
    for line in ["before ", "ridge ", "trained "] {
        assert!(end.contains(&format!("  {line}")), "{line}: {end}");
    }
    sandbox
        .run(train("halves", &["--stop-after-step", "1"]))
        .expect_code(0);
    for step in ["4", "6"] {
        sandbox
            .run(["resume", "halves", "--stop-after-step", step])
            .expect_code(0);
    }
    sandbox.run(["resume", "halves"]).expect_code(0);
    sandbox.run(["verify", "whole", "halves"]).expect_code(0);
    let history = sandbox.history("whole");
    let heading = history.lines().next().expect("a heading");
    for column in ["train_loss", "valid_loss", "valid_r2", "rsa_rho", "rsa_p"] {
        assert!(heading.contains(column), "{heading}");
    }
    assert!(!history.contains("NaN"), "{history}");
}

#[test]
fn kept_rows_change_a_bit() {
    let sandbox = small();
    sandbox.run(train("kept", &[])).expect_code(0);
    sandbox
        .run(train("anew", &["--no-prefix-cache"]))
        .expect_code(0);
    sandbox.run(["verify", "kept", "anew"]).expect_code(0);
    for out in ["writes", "reads"] {
        sandbox
            .run(train(out, &["--prefix-folder", "rows"]))
            .expect_code(0);
        sandbox.run(["verify", "kept", out]).expect_code(0);
    }
    let files = fs::read_dir(sandbox.path("rows"))
        .expect("a folder")
        .count();
    assert!(files > 0, "nothing was kept");
}

/// Without adapters in the encoder all of it comes before the cut, and with them in the first
/// block nothing does.
#[test]
fn place_of_the_first_adapter_spoils_a_resumed_run() {
    let sandbox = small();
    for (number, set) in [
        ["adapt.targets=[\"head\"]", "adapt.also_train=[]"],
        [
            "adapt.targets=[\"encoder.blocks.0.attn.query\"]",
            "adapt.also_train=[\"head.*\"]",
        ],
    ]
    .iter()
    .enumerate()
    {
        let set = ["--set", set[0], "--set", set[1]];
        let [whole, halves] = ["whole", "halves"].map(|name| format!("{name}{number}"));
        sandbox.run(train(&whole, &set)).expect_code(0);
        let stopped = [&set[..], &["--stop-after-step", "5"]].concat();
        sandbox.run(train(&halves, &stopped)).expect_code(0);
        sandbox
            .run(["resume", &halves, "--no-prefix-cache"])
            .expect_code(0);
        sandbox.run(["verify", &whole, &halves]).expect_code(0);
    }
}

#[test]
fn branch_without_a_change_leaves_its_parent() {
    let sandbox = small();
    sandbox.run(train("whole", &[])).expect_code(0);
    sandbox
        .run(["fork", "whole", "--at", "1", "--out", "branch"])
        .expect_code(0);
    sandbox.run(["resume", "branch"]).expect_code(0);
    sandbox
        .run(["verify", "--across-forks", "whole", "branch"])
        .expect_code(0);
}

#[test]
fn head_is_not_trained() {
    let sandbox = small();
    sandbox
        .run(train("run", &["--stop-after-step", "2"]))
        .expect_code(0);
    let record = sandbox.latest("run");
    let trained: Vec<&str> = record.adapters.keys().map(String::as_str).collect();
    assert!(
        trained.contains(&"head.weight") && trained.contains(&"head.bias"),
        "{trained:?}"
    );
    let head = record.adapters["head.weight"].iter::<f32>();
    assert!(head.into_iter().any(|value| value != 0.0));
    assert!(
        trained.contains(&"encoder.blocks.2.attn.query.adapter.magnitude"),
        "{trained:?}"
    );
}

#[test]
fn run_goes_on_with_other_data() {
    let sandbox = small();
    sandbox
        .run(train("run", &["--stop-after-step", "2"]))
        .expect_code(0);
    let name = |text: String| text.replacen("bow0", "bow1", 1);
    let value = |text: String| text.replacen("_01b.jpg,", "_01b.jpg,9", 1);
    let rdm = |text: String| text.replacen("0.1", "0.9", 2);
    let token = |text: String| text.replace("##0\n##1", "##1\n##0");
    for (file, change) in [
        ("targets.csv", &name as &dyn Fn(String) -> String),
        ("targets.csv", &value),
        (
            "heldout.csv",
            &(|text: String| text.replacen("fig2", "fig3", 1)),
        ),
        ("rdm.csv", &rdm),
        ("vocab.txt", &token),
    ] {
        let path = sandbox.path(file);
        let before = fs::read_to_string(&path).expect("written");
        let after = change(before.clone());
        assert_ne!(before, after, "{file}");
        fs::write(&path, after).expect("written");
        let refused = sandbox.run(["resume", "run"]).expect_code(2).err;
        assert!(refused.contains("fingerprint"), "{file}: {refused}");
        fs::write(&path, before).expect("written");
    }
    sandbox.run(["resume", "run"]).expect_code(0);
}

#[test]
fn setting_that_cannot_be_is_accepted() {
    let sandbox = small();
    let changed = |from: &str, to: &str| {
        let text = CONFIG.replacen(from, to, 1);
        assert_ne!(text, CONFIG, "{from}");
        text
    };
    for (text, told) in [
        (
            changed("tokenizer = \"vocab.txt\"\n", ""),
            "sentences.tokenizer",
        ),
        (changed("vocabulary = 17", "vocabulary = 16"), "17 tokens"),
        (changed("context = 12", "context = 3"), "3"),
        (changed("rsa_rdm = \"rdm.csv\"\n", ""), "sentences.rsa_rdm"),
        (
            changed("name = \"things\"", "name = \"digits\""),
            "data.name",
        ),
        (changed("[data]\n", "[data]\nlimit = 3\n"), "data.limit"),
        (changed("\"random\"", "\"nowhere\""), "sentences.weights"),
        (changed("heads = 2", "heads = 3"), "heads"),
        (
            changed("kind = \"bert\"", "kind = \"vit\"").replace("\"things\"", "\"digits\""),
            "[sentences]",
        ),
        (changed("\"head.*\"", "\"tail.*\""), "tail.*"),
        (
            changed("blocks.2.attn", "blocks.3.attn"),
            "encoder.blocks.3.attn.*",
        ),
        (
            changed("targets = \"targets.csv\"", "targets = \"vocab.txt\""),
            "vocab.txt",
        ),
    ] {
        write(&sandbox, "bad.toml", &text);
        let refused = sandbox
            .run(["train", "bad.toml", "--out", "bad"])
            .expect_code(2)
            .err;
        assert!(refused.contains(told), "{told}: {refused}");
        assert!(!sandbox.path("bad").join("checkpoints").exists(), "{told}");
    }
}

/// Adapters of `clip-hba` change what the encoder gives before they are trained.
#[test]
fn ridge_regression_gets_embeddings_of_adapters() {
    let sandbox = small();
    let ridge = |flavour: &str| {
        let set = format!("adapt.flavour={flavour}");
        let more = ["--set", &set, "--json"];
        let told = sandbox.run(train(flavour, &more)).expect_code(0).json();
        told["test"]["ridge"].clone()
    };
    let peft = ridge("peft");
    assert!(peft["figures"]["valid_loss"].is_f64(), "{peft}");
    assert_eq!(ridge("clip-hba"), peft);
    assert_eq!(ridge("lora"), peft);
}

/// The published weights and what people judged, if both are at hand.
#[test]
fn dora_on_minilm_is_no_better_than_a_ridge_regression() {
    let data = match std::env::var_os("DACAPO_THINGS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/things"),
    };
    let weights = std::env::var_os("DACAPO_MINILM").map(PathBuf::from);
    let Some(weights) = weights.filter(|_| data.join("RDM48_triplet.mat").is_file()) else {
        eprintln!("skipped: DACAPO_MINILM names no all-MiniLM-L6-v2, or there is no THINGS data");
        return;
    };
    let sandbox = sandbox!();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/minilm_things.toml");
    let example = fs::read_to_string(example).expect("an example");
    let example = example
        .replace("data/minilm", &weights.display().to_string())
        .replace("data/things", &data.display().to_string());
    write(&sandbox, "run.toml", &example);
    let told = sandbox.run(train("run", &["--json"])).expect_code(0).json();
    let test = &told["test"];
    let loss = |figures: &serde_json::Value| figures["valid_loss"].as_f64().expect("a number");
    let rho = |figures: &serde_json::Value| figures["rsa"][0].as_f64().expect("a number");
    let (ridge, trained) = (&test["ridge"]["figures"], &test["trained"]);
    assert!(loss(trained) < loss(ridge), "{told}");
    assert!(rho(trained) > rho(ridge), "{told}");
    assert!(loss(ridge) < loss(&test["before"]), "{told}");
}
