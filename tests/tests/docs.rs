//! The documentation says what the code does.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use dacapo::{
    config::{RunConfig, load_config},
    optim::ScheduleConfig,
};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every key of a configuration with its value; lists are values.
fn keys(prefix: &str, value: &impl serde::Serialize) -> BTreeMap<String, Value> {
    fn walk(path: String, value: Value, out: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    let dot = if path.is_empty() { "" } else { "." };
                    walk(format!("{path}{dot}{key}"), value, out);
                }
            }
            value => {
                out.insert(path, value);
            }
        }
    }
    let value = serde_json::to_value(value).expect("a configuration is plain data");
    let mut out = BTreeMap::new();
    walk(prefix.to_owned(), value, &mut out);
    out
}

/// One of each kind. The match keeps the list whole: it does not compile without a new one.
fn schedules() -> Vec<ScheduleConfig> {
    use ScheduleConfig::{Constant, Cosine, Exponential, LinearWarmup, Step, WarmupCosine};
    match (ScheduleConfig::Constant {}) {
        Constant {}
        | LinearWarmup { .. }
        | Cosine { .. }
        | WarmupCosine { .. }
        | Step { .. }
        | Exponential { .. } => {}
    }
    let (total, min_factor) = (Some(9), 0.5);
    vec![
        Constant {},
        LinearWarmup { warmup: 2 },
        Cosine { total, min_factor },
        WarmupCosine {
            warmup: 2,
            total,
            min_factor,
        },
        Step {
            every: 3,
            gamma: 0.5,
        },
        Exponential { gamma: 0.5 },
    ]
}

/// Key and default of every row of docs/config.md that begins with a key.
fn documented() -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for line in read("docs/config.md").lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, key, _, default, meaning, _] = cells[..] else {
            continue;
        };
        let Some(key) = key.strip_prefix('`').and_then(|key| key.strip_suffix('`')) else {
            continue;
        };
        assert!(!meaning.is_empty(), "`{key}` is not explained");
        let earlier = rows.insert(key.to_owned(), default.trim_matches('`').to_owned());
        assert_eq!(earlier, None, "`{key}` has two rows");
    }
    rows
}

#[test]
fn documented_default_is_not_the_default() {
    let documented = documented();
    for (key, value) in keys("", &RunConfig::default()) {
        let text = &documented[&key];
        let found = match text.as_str() {
            "(none)" => Value::Null,
            text => {
                let table: toml::Table = format!("value = {text}")
                    .parse()
                    .unwrap_or_else(|error| panic!("`{key}`: default {text}: {error}"));
                serde_json::to_value(&table["value"]).expect("TOML without dates is JSON")
            }
        };
        assert_eq!(found, value, "`{key}` in docs/config.md");
    }
}

#[test]
fn documented_schedule_is_not_one_of_the_kinds() {
    let docs = read("docs/config.md");
    for schedule in schedules() {
        let kind = &keys("", &schedule)["kind"];
        let kind = kind.as_str().expect("a kind is a string");
        assert!(docs.contains(&format!("\n| `{kind}` |")), "{kind}");
    }
}

#[test]
fn pretraining_default_is_undocumented() {
    let docs = read("docs/config.md");
    let default = keys("", &RunConfig::default());
    for (key, value) in keys("", &RunConfig::pretrain()) {
        if default[&key] != value {
            let text = toml::Value::try_from(&value).expect("no key is null here");
            let line = format!("`{key} = {text}`");
            assert!(docs.contains(&line), "docs/config.md lacks {line}");
        }
    }
}

#[test]
fn example_is_another_run_than_the_default() {
    let path = root().join("examples/digits.toml");
    let loaded = load_config(RunConfig::default(), Some(&path), &[]).expect("the example loads");
    assert_eq!(loaded, RunConfig::default());
    // Loading fills in what a file leaves out; the example is to leave out nothing.
    let written: toml::Table = read("examples/digits.toml").parse().expect("TOML");
    let default = toml::Table::try_from(RunConfig::default()).expect("plain data");
    assert_eq!(written, default);
}

#[test]
fn link_leads_nowhere() {
    for name in [
        "README.md",
        "CHANGELOG.md",
        "docs/cli.md",
        "docs/config.md",
        "docs/clip_hba.md",
        "docs/library.md",
        "docs/peft.md",
        "docs/sentences.md",
        "benches/README.md",
        "benches/RESULTS.md",
        "crates/dacapo/assets/README.md",
        "crates/models/assets/README.md",
    ] {
        let file = root().join(name);
        let folder = file.parent().expect("a file has a folder");
        for rest in read(name).split("](").skip(1) {
            let (link, _) = rest.split_once(')').expect("a link is closed");
            let target = link.split('#').next().unwrap_or_default();
            if !(link.starts_with("http") || target.is_empty()) {
                assert!(folder.join(target).exists(), "{name} links to {link}");
            }
        }
    }
}
