//! `dacapo report` through the program: what it reads, what it writes, and what it refuses.

use std::fs;

use dacapo_tests::{Sandbox, Settings, sandbox};

/// A baseline, a perturbed branch of it, a branch of that, and a branch without a change.
fn runs() -> Sandbox {
    let sandbox = sandbox!();
    let settings = Settings::small()
        .set("checkpoint.keep_last", 100)
        .set("checkpoint.every_steps", 1);
    sandbox.run(settings.train("runs/baseline")).expect_code(0);
    let forks: [&[&str]; 3] = [
        &["runs/baseline", "--at", "1", "--out", "runs/forks/same"],
        &[
            "runs/baseline",
            "--at",
            "step:4",
            "--out",
            "runs/forks/noise",
            "--perturb",
            "image-noise",
            "--unit",
            "step",
        ],
        &[
            "runs/forks/noise",
            "--at",
            "2",
            "--out",
            "runs/forks/noise<&2>",
            "--set",
            "optimizer.lr=0.001",
        ],
    ];
    for fork in forks {
        sandbox.run([&["fork"], fork].concat()).expect_code(0);
        sandbox.run(["resume", fork[4]]).expect_code(0);
    }
    sandbox
}

#[track_caller]
fn page(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.path(name)).expect("a page")
}

/// The values of one run in a plot's CSV file.
#[track_caller]
fn values(sandbox: &Sandbox, file: &str, label: &str) -> Vec<(u64, f64)> {
    let text = fs::read_to_string(sandbox.path(file)).expect("a table");
    let rows = text.lines().skip(1);
    let rows = rows.map(|line| line.split(',').collect::<Vec<_>>());
    rows.filter(|row| row[0] == label)
        .map(|row| {
            let epoch = row[2].parse().expect("an epoch");
            (epoch, row[3].parse().expect("a number"))
        })
        .collect()
}

#[test]
fn report_says_another_thing_than_the_runs() {
    let sandbox = runs();
    let args = [
        "report", "runs", "-o", "r.html", "--csv", "csv", "--png", "png", "--json",
    ];
    let told = sandbox.run(args).expect_code(0).json();
    assert_eq!((&told["runs"], &told["ablations"]), (&4.into(), &0.into()));
    for file in told["files"].as_array().expect("a list") {
        let file = sandbox.path(file.as_str().expect("a path"));
        assert!(file.metadata().expect("written").len() > 0, "{file:?}");
    }

    let page = page(&sandbox, "r.html");
    for run in ["baseline", "forks/same", "forks/noise", "forks/noise<&2>"] {
        let record = sandbox.latest(&format!("runs/{run}"));
        assert!(page.contains(&record.run.run_id), "{run}");
        let inspected = sandbox.run(["inspect", &format!("runs/{run}"), "--json"]);
        let hash = inspected.json()["state_hash"].clone();
        assert!(page.contains(hash.as_str().expect("a hash")), "{run}");
    }
    assert!(page.contains("forks/noise&lt;&amp;2&gt;") && !page.contains("noise<&2>"));
    assert!(page.contains("branched off baseline after step 4"));
    assert!(page.contains("perturbed: image-noise in steps 5 to 5, seed 0"));
    assert!(page.contains("branched off forks/noise after step 6"));
    assert!(page.contains("optimizer.lr: 0.006 -&gt; 0.001"));
    assert!(
        page.contains("(0 throughout)"),
        "the branch without a change drifts"
    );

    let record = sandbox.latest("runs/baseline");
    let loss = |row: &dacapo::trainer::EpochRow| (row.epoch, row.metrics["valid_loss"]);
    let expected: Vec<_> = record.run.history.iter().map(loss).collect();
    assert_eq!(values(&sandbox, "csv/valid-loss.csv", "baseline"), expected);
    let branch = sandbox.latest("runs/forks/noise");
    let branch: Vec<_> = branch.run.history.iter().map(loss).collect();
    // Step 4 is in the second epoch.
    let drawn = values(&sandbox, "csv/valid-loss.csv", "forks/noise");
    assert_eq!(drawn, branch);
    let drift = values(&sandbox, "csv/drift.csv", "forks/noise");
    for ((epoch, percent), index) in drift.iter().zip(1..) {
        let (root, ours) = (expected[index].1, branch[index].1);
        assert_eq!(*epoch, expected[index].0);
        let expected = (ours - root).abs() / root * 100.0;
        assert!((percent - expected).abs() <= expected * 1e-12);
    }
    assert_eq!(drift.len(), 2);
    assert_eq!(
        values(&sandbox, "csv/drift.csv", "forks/same"),
        [(2, 0.0), (3, 0.0)]
    );
    let stopping = values(&sandbox, "csv/early-stopping.csv", "baseline");
    let counted = record.early_stopping.epochs_without_improvement as f64;
    assert_eq!(stopping.last().expect("an epoch").1, counted);
    assert!(!page.contains("the run itself has counted"));
}

#[test]
fn same_runs_give_other_bytes() {
    let sandbox = runs();
    let told = |number: &str| {
        let out = format!("{number}.html");
        let (csv, png) = (format!("csv-{number}"), format!("png-{number}"));
        let args = ["report", "runs", "-o", &out, "--csv", &csv, "--png", &png];
        sandbox.run(args).expect_code(0);
        let mut files = vec![("page".into(), fs::read(sandbox.path(out)).expect("a page"))];
        for folder in [csv, png] {
            let listed = fs::read_dir(sandbox.path(folder)).expect("a folder");
            for file in listed.map(|file| file.expect("an entry")) {
                files.push((file.file_name(), fs::read(file.path()).expect("a file")));
            }
        }
        files.sort();
        files
    };
    assert!(told("first") == told("second"));
}

#[test]
fn file_is_overwritten_unasked() {
    let sandbox = sandbox!();
    sandbox.run(Settings::small().train("run")).expect_code(0);
    let refused = |args: &[&str], parts: &[&str]| {
        let told = sandbox.run([&["report", "run"], args].concat());
        let told = told.expect_code(2).err;
        for part in parts {
            assert!(told.contains(part), "`{part}` is not in: {told}");
        }
    };
    fs::write(sandbox.path("mine"), "mine").expect("written");
    refused(&["-o", "mine"], &["mine exists already", "--force"]);
    refused(&["-o", "run", "--force"], &["run is a folder"]);
    refused(&["-o", "none/r.html"], &["no folder none"]);
    assert!(!sandbox.path("none").exists());
    fs::create_dir(sandbox.path("csv")).expect("made");
    fs::write(sandbox.path("csv/valid-loss.csv"), "mine").expect("written");
    refused(&["--csv", "csv"], &["valid-loss.csv exists already"]);
    assert!(!sandbox.path("report.html").exists(), "half of it is there");
    assert_eq!(fs::read(sandbox.path("mine")).expect("there"), b"mine");

    let args = ["report", "run", "-o", "mine", "--csv", "csv", "--force"];
    fs::write(sandbox.path("csv/other.txt"), "mine").expect("written");
    sandbox.run(args).expect_code(0);
    assert!(page(&sandbox, "mine").starts_with("<!DOCTYPE html>"));
    let other = fs::read(sandbox.path("csv/other.txt"));
    assert_eq!(other.expect("there"), b"mine");
}

#[test]
fn run_is_changed_by_reporting_on_it() {
    let sandbox = sandbox!();
    sandbox.run(Settings::small().train("run")).expect_code(0);
    sandbox.copy("run", "before");
    sandbox.run(["report", "run"]).expect_code(0);
    sandbox.run(["verify", "run", "before"]).expect_code(0);
    assert!(page(&sandbox, "report.html").contains("dacapo report run<"));
}

#[test]
fn run_that_has_just_begun_fails() {
    let sandbox = sandbox!();
    let settings = Settings::small();
    sandbox.run(settings.train_until("run", 1)).expect_code(0);
    sandbox.run(["report", "run"]).expect_code(0);
    let page = page(&sandbox, "report.html");
    assert!(page.contains("No run has completed an epoch yet."));
}

#[test]
fn ablation_is_not_shown_or_a_wrong_one_is() {
    let sandbox = sandbox!();
    let text = r#"{"format": 1, "command": "dacapo ablate run", "epochs": 4, "steps_per_epoch": 3,
        "baseline": {"run_id": "1d", "state_hash": "2e", "stopped_epoch": 4,
            "rows": [{"epoch": 1, "train_loss": 1.0, "valid_loss": 1.0}]},
        "cases": [
            {"resume_at": 3, "left_out": "nothing", "matters": false,
             "first_differing_step": null, "stopped_epoch": 4, "distance": 0.0,
             "rows": [{"epoch": 4, "train_loss": 1.0, "valid_loss": 1.0,
                "train_difference_percent": 0.0, "valid_difference_percent": 0.0,
                "distance": 0.0}]},
            {"resume_at": 3, "left_out": "whole <optimizer>", "matters": true,
             "first_differing_step": 10, "stopped_epoch": 4, "distance": 0.125,
             "rows": [{"epoch": 4, "train_loss": 1.0, "valid_loss": 1.0,
                "train_difference_percent": 0.5, "valid_difference_percent": -2.5,
                "distance": 0.125}]}]}"#;
    fs::create_dir(sandbox.path("ablation")).expect("made");
    let file = sandbox.path("ablation/ablation.json");
    fs::write(&file, text).expect("written");
    let args = ["report", "ablation", "--csv", "csv", "--png", "png"];
    sandbox.run(args).expect_code(0);
    let page = page(&sandbox, "report.html");
    for part in [
        "whole &lt;optimizer&gt;",
        "-2.5",
        "(0 throughout)",
        "dacapo ablate run",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(sandbox.path("png/ablation-1-resume-3.png").is_file());
    assert!(sandbox.path("csv/ablation-1-resume-3.csv").is_file());

    for (from, to, part) in [
        ("\"format\": 1", "\"format\": 2", "expected 1, found 2"),
        ("\"epochs\": 4", "\"epoch\": 4", "unknown field `epoch`"),
    ] {
        fs::write(&file, text.replace(from, to)).expect("written");
        let args = ["report", "ablation", "-o", "other.html"];
        let told = sandbox.run(args).expect_code(2).err;
        assert!(
            told.contains("ablation/ablation.json") && told.contains(part),
            "{told}"
        );
    }
    fs::remove_file(&file).expect("removed");
    let told = sandbox.run(["report", "ablation"]).expect_code(2).err;
    assert!(told.contains("report.html exists already"), "{told}");
    let args = ["report", "ablation", "-o", "other.html"];
    let told = sandbox.run(args).expect_code(2).err;
    assert!(told.contains("no run and no ablation.json"), "{told}");
}
