//! The arrows between the workspace's crates run downward only.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// A library crate and all of ours that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("dacapo-rng", &[]),
    ("dacapo-record", &[]),
    ("dacapo-prefix", &["dacapo-ops", "dacapo-rng"]),
    ("dacapo-pth", &[]),
    ("dacapo-peft", &["dacapo-pth"]),
    ("dacapo-kernels", &[]),
    ("dacapo-rsa", &[]),
    ("dacapo-report", &[]),
    ("dacapo-things", &["dacapo-rng"]),
    ("dacapo-ops", &["dacapo-kernels"]),
    ("dacapo-optim", &["dacapo-ops"]),
    ("dacapo-derive", &[]),
    (
        "dacapo-dora",
        &["dacapo-derive", "dacapo-ops", "dacapo-rng"],
    ),
    (
        "dacapo-models",
        &[
            "dacapo-dora",
            "dacapo-ops",
            "dacapo-prefix",
            "dacapo-pth",
            "dacapo-rng",
        ],
    ),
    (
        "dacapo-trainer",
        &["dacapo-ops", "dacapo-optim", "dacapo-record", "dacapo-rng"],
    ),
    (
        "dacapo",
        &[
            "dacapo-dora",
            "dacapo-models",
            "dacapo-ops",
            "dacapo-optim",
            "dacapo-peft",
            "dacapo-prefix",
            "dacapo-pth",
            "dacapo-record",
            "dacapo-report",
            "dacapo-rng",
            "dacapo-rsa",
            "dacapo-things",
            "dacapo-trainer",
        ],
    ),
];

fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests/ lies in the workspace")
        .to_owned()
}

/// The workspace's packages by name, as `cargo metadata` tells them.
fn packages() -> BTreeMap<String, Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(workspace())
        .output()
        .expect("cargo can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    packages
        .iter()
        .map(|package| (text(&package["name"]), package.clone()))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// The packages that `package` needs when it is used, not those for its own tests.
fn dependencies(package: &Value) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().expect("a list");
    all.iter()
        .filter(|dependency| dependency["kind"] != "dev")
        .map(|dependency| text(&dependency["name"]))
        .collect()
}

#[test]
fn crate_depends_on_one_above_it() {
    let packages = packages();
    for (name, allowed) in ARROWS {
        let package = packages
            .get(*name)
            .unwrap_or_else(|| panic!("no crate {name}"));
        let ours: Vec<String> = dependencies(package)
            .into_iter()
            .filter(|dependency| packages.contains_key(dependency))
            .collect();
        assert_eq!(ours, *allowed, "{name}: change ARROWS only with the design");
    }
}

#[test]
fn crate_is_added_without_a_place() {
    let placed: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    for name in packages().keys() {
        let known = placed.contains(name.as_str())
            || [
                "dacapo-tests",
                "dacapo-benches",
                "dacapo-faults",
                "dacapo-fuzzing",
            ]
            .contains(&name.as_str());
        assert!(known, "give {name} a place in ARROWS");
    }
}

#[test]
fn library_depends_on_the_tests() {
    for (name, package) in packages() {
        if name == "dacapo-benches" {
            continue;
        }
        for other in [
            "dacapo-tests",
            "dacapo-benches",
            "dacapo-faults",
            "dacapo-fuzzing",
        ] {
            assert!(!dependencies(&package).contains(other), "{name} on {other}");
        }
    }
}

#[test]
fn crate_of_host_values_learns_of_burn() {
    let packages = packages();
    for name in [
        "dacapo-rng",
        "dacapo-record",
        "dacapo-pth",
        "dacapo-peft",
        "dacapo-rsa",
        "dacapo-report",
        "dacapo-things",
        "dacapo-derive",
    ] {
        // Not even for their tests.
        let all = packages[name]["dependencies"].as_array().expect("a list");
        for dependency in all {
            let dependency = text(&dependency["name"]);
            assert!(!dependency.starts_with("burn"), "{name} on {dependency}");
        }
    }
}

#[test]
fn cuda_or_autotune_comes_in() {
    for (name, package) in packages() {
        for dependency in package["dependencies"].as_array().expect("a list") {
            let features = dependency["features"].as_array().expect("a list");
            for feature in features {
                let feature = text(feature);
                // Picks kernels by timing them: other bits in every process.
                assert_ne!(feature, "autotune", "{name} on {}", dependency["name"]);
            }
        }
    }
}

/// Every Rust source of a crate's library and program.
fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// Asserts that none of `words` occurs in code of `crates/`, except where `allowed` says.
/// Comments may speak of anything.
#[track_caller]
fn assert_absent(words: &[&str], allowed: &[&str]) {
    let root = workspace().join("crates");
    let mut files = Vec::new();
    for (name, _) in ARROWS {
        let folder = name.strip_prefix("dacapo-").unwrap_or(name);
        sources(&root.join(folder).join("src"), &mut files);
    }
    assert!(files.len() > 100, "only {} sources found", files.len());
    for file in files {
        let relative = file.strip_prefix(&root).expect("below crates/");
        if allowed.iter().any(|place| relative.starts_with(place)) {
            continue;
        }
        let source = std::fs::read_to_string(&file).expect("a source can be read");
        for (number, line) in (1..).zip(source.lines()) {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for word in words {
                let place = format!("{}:{number}: {line}", relative.display());
                assert!(!line.contains(word), "{word} in {place}");
            }
        }
    }
}

#[test]
fn library_reads_clock_environment_or_terminal() {
    let words = [
        "SystemTime",
        "Instant::",
        "env::var",
        "println!",
        "print!",
        "stdout()",
        "stderr()",
        "stdin()",
    ];
    // The last is part of tests, which say what they skip.
    let allowed = [
        "dacapo/src/cli",
        "dacapo/src/main.rs",
        "kernels/src/cuda_source/compiles.rs",
    ];
    assert_absent(&words, &allowed);
}

#[test]
fn checkpoint_is_written_past_the_record_crate() {
    let words = ["fs::write", "fs::rename", "File::create", "OpenOptions"];
    let allowed = [
        "record/src/fs_storage.rs",
        "dacapo/src/cli/event_log.rs",
        // No state.
        "prefix/src/row_file.rs",
        "dacapo/src/cli/tensor_board.rs",
        // Gives a whole branch its name.
        "dacapo/src/cli/sweep.rs",
        "things/src/write_stand_ins.rs",
    ];
    assert_absent(&words, &allowed);
}

/// A manifest.
fn manifest(path: &Path) -> toml::Table {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().expect("TOML")
}

/// The level of a lint; nothing if the manifest or the workspace sets none.
fn lint<'a>(lints: &'a toml::Value, tool: &str, name: &str) -> Option<&'a str> {
    let lint = lints.get(tool)?.get(name)?;
    lint.as_str().or_else(|| lint.get("level")?.as_str())
}

/// The compiler forbids unsafe code where these manifests say so, whatever the sources say.
#[test]
fn unsafe_code_is_allowed_outside_of_kernels() {
    let root = manifest(&workspace().join("Cargo.toml"));
    assert_eq!(
        lint(&root["workspace"]["lints"], "rust", "unsafe_code"),
        Some("forbid")
    );
    for (name, package) in packages() {
        let path = text(&package["manifest_path"]);
        let manifest = manifest(Path::new(&path));
        let lints = manifest
            .get("lints")
            .unwrap_or_else(|| panic!("{path}: [lints]"));
        if name == "dacapo-kernels" {
            let documented = lint(lints, "clippy", "undocumented_unsafe_blocks");
            assert_eq!(documented, Some("warn"), "{path}");
            continue;
        }
        assert_eq!(
            lints.get("workspace").and_then(toml::Value::as_bool),
            Some(true),
            "{path}: inherit the workspace's lints"
        );
    }
    // Packages beside the workspace, such as one for fuzzing, inherit nothing from it.
    for entry in std::fs::read_dir(workspace()).expect("a folder") {
        let path = entry.expect("an entry").path().join("Cargo.toml");
        if !path.is_file() {
            continue;
        }
        let manifest = manifest(&path);
        let lints = manifest.get("lints");
        let inherits = lints.and_then(|lints| lints.get("workspace")?.as_bool());
        let own = lints.and_then(|lints| lint(lints, "rust", "unsafe_code"));
        assert!(
            inherits == Some(true) || own.is_some(),
            "{}: say in [lints] what it may do with unsafe code",
            path.display()
        );
    }
}

/// As clippy demands, which is not installed everywhere.
#[test]
fn unsafe_block_of_a_kernel_says_nothing() {
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        sources(&workspace().join("crates/kernels").join(folder), &mut files);
    }
    let mut blocks = 0;
    for file in files {
        let source = std::fs::read_to_string(&file).expect("a source can be read");
        let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
        for (at, line) in lines.iter().enumerate() {
            if line.starts_with("//") || !line.split_whitespace().any(|word| word == "unsafe") {
                continue;
            }
            blocks += 1;
            // Above it stand attributes, and above these the comment.
            let above = lines[..at].iter().rev();
            let mut above = above.skip_while(|line| line.starts_with("#["));
            let mut comment = above.by_ref().take_while(|line| line.starts_with("//"));
            // A function says what it asks of its caller, a block why it is sound.
            let said = match line.contains("unsafe fn ") {
                true => "/// # Safety",
                false => "// SAFETY: ",
            };
            assert!(
                comment.any(|line| line.starts_with(said)),
                "{}:{}: no `{said}` above `{line}`",
                file.display(),
                at + 1
            );
        }
    }
    assert!(blocks > 10, "only {blocks} found");
}

#[test]
fn random_numbers_come_from_a_global_generator() {
    let words = [
        "Tensor::random",
        "Distribution::",
        "Initializer::",
        "nn::Dropout",
        "DropoutConfig",
        "thread_rng",
        "rand::rng",
        "ThreadRng",
        "OsRng",
    ];
    assert_absent(&words, &[]);
}

#[test]
fn order_of_a_hash_table_reaches_a_result() {
    assert_absent(&["HashMap", "HashSet"], &[]);
}
