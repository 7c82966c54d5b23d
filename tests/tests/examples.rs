//! The examples of `crates/dacapo` do what they say, and need nothing but `dacapo`.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use dacapo::trainer::RunFolder;
use dacapo_tests::sandbox;

#[allow(dead_code, reason = "its `main`")]
#[path = "../../crates/dacapo/examples/custom_model.rs"]
mod custom_model;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../crates/dacapo/examples/minilm_things.rs"]
mod minilm_things;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../crates/dacapo/examples/quickstart.rs"]
mod quickstart;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../crates/dacapo/examples/resume_anywhere.rs"]
mod resume_anywhere;

static ROOT: LazyLock<PathBuf> = LazyLock::new(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));

/// What an example prints that works in `folder`.
macro_rules! printed {
    ($example:ident, $folder:expr) => {{
        let mut out = Vec::new();
        $example::example($folder, &mut out).expect("the example works");
        String::from_utf8(out).expect("text")
    }};
}

/// The words after each `key`, in order.
fn after<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let rests = text.split(key).skip(1);
    let words = rests.map(|rest| rest.split_whitespace().next());
    words.map(|word| word.expect("a word")).collect()
}

/// The one word after `key`.
#[track_caller]
fn word<'a>(text: &'a str, key: &str) -> &'a str {
    let words = after(text, key);
    assert_eq!(words.len(), 1, "{key} in\n{text}");
    words[0]
}

fn numbers(text: &str, key: &str) -> Vec<f64> {
    let words = after(text, key).into_iter();
    words.map(|word| word.parse().expect("a number")).collect()
}

#[test]
fn quickstart_is_longer_than_the_guide_says() {
    let source = include_str!("../../crates/dacapo/examples/quickstart.rs");
    assert!(
        source.lines().count() <= 70,
        "docs/library.md: about 60 lines"
    );
}

#[test]
fn quickstart_learns_nothing() {
    let temp = tempfile::tempdir().expect("a folder");
    let text = printed!(quickstart, temp.path());
    assert!(
        text.starts_with("adapters on layers.0, layers.1, head\n"),
        "{text}"
    );
    for key in ["train_loss", "valid_loss"] {
        let losses = numbers(&text, key);
        assert_eq!(losses.len(), 10, "{text}");
        assert!(losses[9] < 0.7 * losses[0], "{key} in\n{text}");
    }
    // Started once more, it finds itself done.
    assert_eq!(printed!(quickstart, temp.path()), text);
}

#[test]
fn resumed_example_ends_in_other_bits() {
    let temp = tempfile::tempdir().expect("a folder");
    let text = printed!(resume_anywhere, temp.path());
    let straight = word(&text, "straight through");
    assert_eq!(straight.len(), 64, "{text}");
    assert_eq!(word(&text, "in three pieces"), straight);
    assert_ne!(word(&text, "branched off"), straight);
    assert_eq!(numbers(&text, "from step"), [0.0, 10.0, 19.0]);
    assert_eq!(numbers(&text, "to step"), [10.0, 19.0, 28.0]);
    assert_eq!(word(&text, "after step"), "14");
    assert!(text.contains("\n  optimizer.lr: 0.02 -> 0.005\n"), "{text}");
}

#[test]
fn example_of_a_model_of_ones_own_keeps_or_compares_nothing() {
    let temp = tempfile::tempdir().expect("a folder");
    let text = printed!(custom_model, temp.path());
    let adapted = "blocks.2.up, blocks.2.down, blocks.3.up, blocks.3.down, head\n";
    assert_eq!(text.matches(adapted).count(), 3, "{text}");
    assert_eq!(after(&text, "before block"), ["Some(2),"; 3]);
    let kept = after(&text, "rows kept:");
    assert_eq!(kept, ["Some(Host)", "None", "Some(Host)"]);
    for run in numbers(&text, "train_loss").chunks(2) {
        assert!(run[1] < 0.5 * run[0], "{text}");
    }
    assert_eq!(text.matches("stopped early").count(), 3, "{text}");
    let (same, other) = text.split_once("another seed: ").expect("two comparisons");
    assert!(same.contains(" leaves equal, 0 differing, 0 only in the left, 0 only in the right, "));
    assert!(!other.contains(" 0 differing"), "{text}");
    assert!(other.contains("ULP apart at most"), "{text}");
}

/// Where the model and the data are, it is the program's run to the bit, stopped or not.
#[test]
fn example_of_a_language_model_is_another_run_than_the_programs() {
    let things = env::var_os("DACAPO_THINGS").map(PathBuf::from);
    let things = things.unwrap_or_else(|| ROOT.join("shared/data/things"));
    let model = env::var_os("DACAPO_MINILM").map(PathBuf::from);
    let Some(model) = model.filter(|_| things.join("RDM48_triplet.mat").is_file()) else {
        eprintln!("skipped: DACAPO_MINILM names no all-MiniLM-L6-v2, or there is no THINGS data");
        return;
    };
    let sandbox = sandbox!();
    let folder = sandbox.path("example");
    let until = |step| {
        let mut out = Vec::new();
        minilm_things::example(&model, &things, &folder, Some(step), &mut out).expect("it works");
        String::from_utf8(out).expect("text")
    };
    let begun = until(20);
    assert!(begun.contains("\nfrom step 0\nto step 20\n"), "{begun}");
    let ended = until(92);
    assert_eq!(numbers(&ended, "from step"), [20.0]);
    for key in ["train_loss", "valid_loss", "valid_r2", "rsa_rho"] {
        assert_eq!(numbers(&ended, key).len(), 2, "{key} in\n{ended}");
    }
    assert!(numbers(&ended, "rsa_rho")[1] > 0.4, "{ended}");

    let config = fs::read_to_string(ROOT.join("examples/minilm_things.toml")).expect("an example");
    let config = config
        .replace("data/minilm", &model.display().to_string())
        .replace("data/things", &things.display().to_string());
    fs::write(sandbox.path("run.toml"), config).expect("the folder can be written to");
    let program = [
        "train",
        "run.toml",
        "--out",
        "program",
        "--stop-after-step",
        "92",
    ];
    sandbox.run(program).expect_code(0);
    let program = sandbox.latest("program");
    let example = RunFolder::new(folder).load_latest().expect("a run folder");
    let example = example.expect("a checkpoint");
    assert!(example.adapters == program.adapters, "other bits");
    assert_eq!(example.run.history, program.run.history);
}

#[test]
fn example_needs_another_dependency() {
    let folder = ROOT.join("crates/dacapo/examples");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let source = fs::read_to_string(&path).expect("a source");
        for line in source.lines() {
            let Some(used) = line.trim_start().strip_prefix("use ") else {
                let foreign = line.contains("extern crate") || line.contains(" ::");
                assert!(!foreign, "{}: {line}", path.display());
                continue;
            };
            let root = used.split([':', ';']).next().expect("a name");
            let known = ["std", "dacapo"].contains(&root);
            assert!(known, "{}: {line}", path.display());
        }
        // Burn's derives need the name; it is the exported one.
        if source.contains("Module,") {
            let imports = ["use dacapo::burn::{self, ", "use dacapo::prelude::*"];
            assert!(
                imports.iter().any(|import| source.contains(import)),
                "{}",
                path.display()
            );
        }
        found.insert(path.file_stem().expect("a name").to_owned());
    }
    let tested = [
        "custom_model",
        "minilm_things",
        "quickstart",
        "resume_anywhere",
    ]
    .map(Into::into);
    assert_eq!(found, BTreeSet::from(tested), "test every example here");
}
