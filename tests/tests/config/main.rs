//! `dacapo config`: the schema, the reader and the documentation are of one mind.

mod validator;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use dacapo::config::{RunConfig, config_schema, load_config};
use dacapo_tests::sandbox;
use serde_json::Value;
use toml::Table;
use validator::violation;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn json(text: &str) -> Value {
    let table: Table = text
        .parse()
        .unwrap_or_else(|error| panic!("{error}:\n{text}"));
    serde_json::to_value(table).expect("TOML without dates is JSON")
}

/// Configurations with every section and every kind of optimizer and schedule, each whole.
fn whole() -> Vec<(String, Value)> {
    let mut all: Vec<(String, RunConfig)> = vec![("pretrain".to_owned(), RunConfig::pretrain())];
    let folder = root().join("examples");
    for entry in fs::read_dir(&folder).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "toml") {
            let config = load_config(RunConfig::default(), Some(&path), &[]);
            let config = config.unwrap_or_else(|error| panic!("{error}"));
            all.push((path.display().to_string(), config));
        }
    }
    assert!(all.len() > 3, "examples are missing");
    for set in [
        vec![
            "optimizer.kind=sgd",
            "optimizer.momentum=0.9",
            "optimizer.clip_norm=1.0",
        ],
        vec!["optimizer.groups=[{ pattern = \"*\", lr = 0.1, amsgrad = true }]"],
        vec![
            "optimizer.kind=sgd",
            "optimizer.groups=[{ pattern = \"*\", momentum = 0.1 }]",
        ],
        vec!["scheduler.kind=constant"],
        vec!["scheduler.kind=linear_warmup", "scheduler.warmup=2"],
        vec!["scheduler={ kind = \"cosine\", total = 9, min_factor = 0.1 }"],
        vec!["scheduler={ kind = \"step\", every = 3, gamma = 0.5 }"],
        vec!["scheduler={ kind = \"exponential\", gamma = 0.5 }"],
        vec![
            "perturbation.kind=learning-rate",
            "perturbation.first_step=1",
            "perturbation.steps=1",
            "perturbation.factor=0.5",
        ],
        vec![
            "adapt.rslora=true",
            "adapt.init=olora",
            "adapt.flavour=lora",
            "adapt.rank_pattern={ \"*.mlp.*\" = 4 }",
            "adapt.alpha_pattern={ \"*.mlp.*\" = 4.0 }",
            "adapt.also_train=[\"head.*\"]",
        ],
    ] {
        let strings: Vec<String> = set.iter().map(|set| (*set).to_owned()).collect();
        let config = load_config(RunConfig::default(), None, &strings);
        all.push((
            set.join(" "),
            config.unwrap_or_else(|error| panic!("{error}")),
        ));
    }
    let written = |(name, config)| (name, json(&toml::to_string(&config).expect("plain data")));
    all.into_iter().map(written).collect()
}

/// Every key of `schema`, with the keys of all kinds of a table.
fn keys(schema: &Value, path: &str, out: &mut BTreeSet<String>) {
    let kinds = schema["oneOf"].as_array().into_iter().flatten();
    let tables: Vec<&Value> = kinds.chain([schema]).collect();
    let tables = tables
        .iter()
        .filter_map(|kind| kind["properties"].as_object());
    let mut is_table = false;
    for (key, schema) in tables.flatten() {
        is_table = true;
        let dot = if path.is_empty() { "" } else { "." };
        keys(schema, &format!("{path}{dot}{key}"), out);
    }
    if schema["items"]["properties"].is_object() {
        keys(&schema["items"], &format!("{path}[]"), out);
    }
    if !is_table {
        out.insert(path.to_owned());
    }
}

#[test]
fn schema_that_is_printed_is_not_the_configurations() {
    let printed = sandbox!().run(["config", "--schema"]).expect_success();
    assert_eq!(printed.json(), config_schema());
    let schema = printed.json();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    for absent in ["\"$ref\"", "\"null\"", "null,", "[`"] {
        assert!(!printed.out.contains(absent), "{absent} in the schema");
    }
}

#[test]
fn valid_configuration_is_refused_by_the_schema() {
    let schema = config_schema();
    assert_eq!(violation(&schema, &json("")), None);
    for (name, config) in whole() {
        assert_eq!(violation(&schema, &config), None, "{name}");
    }
    // As they are written, with keys left out.
    for name in ["digits", "clip_small", "clip_hba"] {
        let text = fs::read_to_string(root().join(format!("examples/{name}.toml")));
        let found = violation(&schema, &json(&text.expect("an example")));
        assert_eq!(found, None, "{name}");
    }
}

#[test]
fn schema_and_reader_disagree_about_a_changed_key() {
    let schema = config_schema();
    let (mut accepted, mut refused) = (0, 0);
    for (name, config) in whole() {
        for pointer in pointers(&config) {
            let mut changed_keys = Vec::new();
            for value in [
                Value::from("odd"),
                true.into(),
                3.into(),
                0.5.into(),
                (-1).into(),
            ] {
                let mut changed = config.clone();
                *changed.pointer_mut(&pointer).expect("a place") = value;
                changed_keys.push(changed);
            }
            let mut changed = config.clone();
            if let Some(Value::Object(table)) = changed.pointer_mut(&pointer) {
                table.insert("no_such_key".to_owned(), 1.into());
                changed_keys.push(changed);
            }
            for changed in changed_keys {
                let table: Table = serde_json::from_value(changed.clone()).expect("no null");
                let read = toml::from_str::<RunConfig>(&table.to_string());
                let found = violation(&schema, &changed);
                assert_eq!(
                    found.is_none(),
                    read.is_ok(),
                    "{name} at {pointer}: schema {found:?}, reader {read:?}, in\n{table}"
                );
                *(if read.is_ok() {
                    &mut accepted
                } else {
                    &mut refused
                }) += 1;
            }
        }
    }
    assert!(accepted > 100 && refused > 1000, "{accepted} and {refused}");
}

/// JSON pointers to everything below `value`.
fn pointers(value: &Value) -> Vec<String> {
    fn walk(at: &str, value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    out.push(format!("{at}/{key}"));
                    walk(&format!("{at}/{key}"), value, out);
                }
            }
            Value::Array(elements) => {
                for (index, value) in elements.iter().enumerate() {
                    out.push(format!("{at}/{index}"));
                    walk(&format!("{at}/{index}"), value, out);
                }
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk("", value, &mut out);
    out
}

#[test]
fn documented_key_is_not_in_the_schema_or_the_other_way_round() {
    let mut schema = BTreeSet::new();
    keys(&config_schema(), "", &mut schema);
    // Sizes are one cell of the table.
    for sizes in ["clip.sizes", "sentences.sizes"] {
        let below = format!("{sizes}.");
        schema.retain(|key| !key.starts_with(&below));
        schema.insert(sizes.to_owned());
    }
    let mut documented = BTreeSet::new();
    for (name, section) in [
        ("docs/config.md", ""),
        ("docs/clip_hba.md", "clip."),
        ("docs/sentences.md", "sentences."),
    ] {
        let text = fs::read_to_string(root().join(name)).expect("documentation");
        for line in text.lines().filter(|line| line.starts_with("| `")) {
            let cell = line.split('|').nth(1).expect("a cell");
            let names = cell.split('`').skip(1).step_by(2);
            let is_key = |name: &&str| name.contains('.') && name.starts_with(section);
            documented.extend(names.filter(is_key).map(str::to_owned));
        }
    }
    let differing: Vec<_> = documented.symmetric_difference(&schema).collect();
    assert!(
        differing.is_empty(),
        "in one of the two only: {differing:?}"
    );
}

#[test]
fn printed_default_is_not_the_default() {
    let sandbox = sandbox!();
    for (args, expected) in [
        (["config", "--default"].as_slice(), RunConfig::default()),
        (
            &["config", "--default", "--pretrain"],
            RunConfig::pretrain(),
        ),
        (&["config"], RunConfig::default()),
        (&["config", "--pretrain"], RunConfig::pretrain()),
    ] {
        let text = sandbox.run(args).expect_success().out;
        let read: RunConfig = toml::from_str(&text).expect("a configuration");
        assert_eq!(read, expected, "{args:?}");
        let found = sandbox.run([args, &["--json"]].concat()).expect_success();
        assert_eq!(found.json(), json(&text), "{args:?}");
    }
}

#[test]
fn key_is_left_out_of_the_printed_default() {
    let text = sandbox!().run(["config", "--default"]).expect_success().out;
    let mut schema = BTreeSet::new();
    keys(&config_schema(), "", &mut schema);
    for key in schema {
        let (section, key) = key.rsplit_once('.').expect("a section");
        // Of tables in tables the first is named; of optimizers and schedules the default's keys.
        let in_table = ["clip.sizes", "sentences.sizes"]
            .iter()
            .any(|table| section.starts_with(table));
        if section.contains("[]") || in_table {
            continue;
        }
        let others = ["momentum", "dampening", "nesterov", "every", "gamma"];
        if ["optimizer", "scheduler"].contains(&section) && others.contains(&key) {
            continue;
        }
        let starts = |line: &str| {
            let line = line.strip_prefix('#').unwrap_or(line);
            line.starts_with(&format!("{key} = "))
        };
        let header = [format!("[{section}]"), format!("#[{section}]")];
        let mut lines = text
            .lines()
            .skip_while(|line| !header.iter().any(|header| line == header));
        assert!(lines.next().is_some(), "no section {section} in\n{text}");
        let mut lines = lines.take_while(|line| !line.starts_with('[') && !line.starts_with("#["));
        assert!(lines.any(starts), "no {section}.{key} in\n{text}");
    }
}

#[test]
fn resolved_configuration_is_another_run() {
    let sandbox = sandbox!();
    fs::write(sandbox.path("c.toml"), "[train]\nepochs = 3\n").expect("a file");
    let printed = sandbox
        .run([
            "config",
            "c.toml",
            "--set",
            "optimizer.kind=sgd",
            "--set",
            "run.seed=7",
        ])
        .expect_success()
        .out;
    let set = ["train.epochs=3", "optimizer.kind=sgd", "run.seed=7"].map(str::to_owned);
    let expected = load_config(RunConfig::default(), None, &set).expect("a configuration");
    assert_eq!(
        toml::from_str::<RunConfig>(&printed).expect("one"),
        expected
    );
    // What is printed can be given again.
    fs::write(sandbox.path("again.toml"), &printed).expect("a file");
    assert_eq!(
        sandbox.run(["config", "again.toml"]).expect_success().out,
        printed
    );
}

#[test]
fn wrong_configuration_is_called_valid() {
    let sandbox = sandbox!();
    for (set, named) in [
        ("train.no_such_key=1", "no_such_key"),
        ("train.epochs=many", "train.epochs"),
        ("train.epochs=0", "train.epochs"),
        ("train.batch_size=0", "train.batch_size"),
        ("optimizer.lr=-1.0", "lr"),
        ("adapt.rank=0", "rank"),
        ("adapt.dropout=1.0", "dropout"),
        ("model.vit.heads=5", "heads"),
        ("model.kind=clip", "[clip]"),
        ("scheduler.min_factor=2.0", "min_factor"),
        ("early_stopping.patience=0", "early_stopping.patience"),
        (
            "perturbation={ kind = \"image-noise\", first_step = 0, steps = 1 }",
            "perturbation",
        ),
    ] {
        let found = sandbox.run(["config", "--set", set]).expect_code(2);
        assert!(found.err.contains(named), "{set}: {}", found.err);
        assert_eq!(found.out, "", "{set}");
    }
    sandbox.run(["config", "no_such.toml"]).expect_code(2);
    sandbox
        .run(["config", "--default", "--set", "a=1"])
        .expect_code(2);
}
