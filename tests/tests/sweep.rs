//! Sweeps: killed and begun again, they end with the same table.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use dacapo_tests::{Sandbox, Settings, assert_same_run, sandbox};

/// 2 epochs, 4 kinds, 3 seeds: 24 branches.
const PLAN: &str = r#"
baseline = "whole"
at = [1, 2]
kinds = ["label-shuffle", "image-noise", "learning-rate", "data-order"]
seeds = [1, 2, 3]
factor = 0.5
"#;

fn baseline() -> Sandbox {
    let sandbox = sandbox!();
    let settings = Settings::small().set("train.epochs", 5);
    sandbox.run(settings.train("whole")).expect_code(0);
    fs::write(sandbox.path("plan.toml"), PLAN).expect("written");
    sandbox
}

fn branches(root: &Path) -> Vec<String> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(_) => return Vec::new(),
    };
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let mut names: Vec<String> = names
        .map(|name| name.expect("UTF-8"))
        .filter(|name| name.starts_with("epoch-"))
        .collect();
    names.sort();
    names
}

/// Waits until so many branches are there.
fn wait(child: &mut Child, root: &Path, count: usize) {
    let begun = Instant::now();
    while branches(root).len() < count {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "nothing happens"
        );
        let ended = child.try_wait().expect("a process of ours");
        assert_eq!(ended, None, "the sweep ended before it could be killed");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_sweep_ends_with_another_table() {
    let sandbox = baseline();
    let sweep = |out| ["sweep", "plan.toml", "--out", out, "--jobs", "2"];
    let told = sandbox.run(sweep("never")).expect_code(0).out;
    assert!(told.contains("24 branches"), "{told}");

    for count in [3, 13] {
        let mut child = sandbox
            .command(sweep("killed"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        wait(&mut child, &sandbox.path("killed"), count);
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert!(!sandbox.path("killed/table.csv").exists(), "it had ended");
    }
    sandbox.run(sweep("killed")).expect_code(0);
    let names = branches(&sandbox.path("killed"));
    assert_eq!(names.len(), 24);
    for name in &names {
        assert_same_run(
            &sandbox.path("never").join(name),
            &sandbox.path("killed").join(name),
        );
    }
    for table in ["table.csv", "table.md"] {
        let texts = ["never", "killed"]
            .map(|out| fs::read_to_string(sandbox.path(out).join(table)).expect("written"));
        assert_eq!(texts[0], texts[1]);
        assert!(!texts[0].contains("NaN"), "{}", texts[0]);
    }
    let left = fs::read_dir(sandbox.path("killed")).expect("a folder");
    let mut left = left.map(|entry| entry.expect("an entry").file_name());
    assert!(
        left.all(|name| !name.to_string_lossy().starts_with('.')),
        "something is half made"
    );

    // Nothing to do: the same table again, and no new session in any branch.
    let before = fs::read(sandbox.path("killed/table.csv")).expect("written");
    let again = sandbox
        .run(["sweep", "plan.toml", "--out", "killed", "--json"])
        .expect_code(0);
    assert_eq!(again.json().as_array().expect("rows").len(), 24);
    assert_eq!(
        fs::read(sandbox.path("killed/table.csv")).expect("written"),
        before
    );

    // Every branch is the baseline's, and says what it did.
    let runs = sandbox
        .run(["lineage", "never", "--json"])
        .expect_code(0)
        .json();
    let id = sandbox.latest("whole").run.run_id;
    for run in runs.as_array().expect("a list") {
        assert_eq!(run["parent"]["run_id"], id.as_str());
        assert!(
            run["perturbation"]
                .as_str()
                .expect("disturbed")
                .contains("seed"),
            "{run}"
        );
    }
}

#[test]
fn other_plan_goes_on_in_the_same_folder() {
    let sandbox = baseline();
    let plan = |text: &str| fs::write(sandbox.path("plan.toml"), text).expect("written");
    let sweep = || sandbox.run(["sweep", "plan.toml", "--out", "out"]);
    let numbers = format!("{:?}", (0..100_000).collect::<Vec<u64>>());
    #[rustfmt::skip]
    let refused = [
        (PLAN.replace("[1, 2]", "[1, 9]"), "no checkpoint"),
        (PLAN.replace("[1, 2]", "[]"), "`at`"),
        (PLAN.replace("[1, 2, 3]", "[1, 2, 1]"), "`seeds`"),
        (PLAN.replace("factor = 0.5", ""), "`factor`"),
        (PLAN.replace("image-noise", "noise"), "noise"),
        (PLAN.replace("seeds", "seed"), "seed"),
        (PLAN.replace("\"whole\"", "\"nowhere\""), "nowhere"),
        (format!("{PLAN}set = [\"adapt.rang=3\"]\n"), "rang"),
        (format!("{PLAN}length = 0\n"), "`length` = 0"),
        (PLAN.replace("0.5", "nan"), "`factor` = NaN"),
        (PLAN.replace("0.5", "-inf"), "`factor` = -inf"),
        (PLAN.replace("0.5", "-0.5"), "`factor` = -0.5"),
        // Each with each: more than any memory holds.
        (PLAN.replace("[1, 2]", &numbers).replace("[1, 2, 3]", &numbers), "100000 branches"),
        // A setting of a depth that no configuration has.
        (format!("{PLAN}set = [\"{}=1\"]\n", vec!["a"; 100_000].join(".")), "at most 16 parts"),
    ];
    for (text, part) in refused {
        plan(&text);
        let told = sweep().expect_code(2).err;
        assert!(told.contains(part), "`{part}` is not in: {told}");
        assert!(
            !sandbox.path("out").exists(),
            "a folder was made for: {text}"
        );
    }
    plan(&PLAN.replace(
        "seeds = [1, 2, 3]",
        "seeds = [1]\nset = [\"train.epochs=3\"]",
    ));
    sweep().expect_code(0);
    assert_eq!(
        sandbox
            .latest("out/epoch-0001-image-noise-seed-1")
            .data
            .epoch,
        3
    );
    plan(PLAN);
    let told = sweep().expect_code(2).err;
    assert!(told.contains("not this plan"), "{told}");
}
