//! Ablations: what is left out is missed, and nothing left out is exactly nothing.

use dacapo_tests::{Sandbox, Settings, sandbox};
use serde_json::Value;

/// Runs `ablate` with these settings and gives its cases.
fn ablate(sandbox: &Sandbox, settings: &Settings, resume_at: &str, out: &str) -> Vec<Value> {
    // The settings as for `train`, without its name and folder.
    let set = settings.train("").split_off(3);
    let mut args: Vec<String> = ["ablate", "--resume-at", resume_at, "--out", out, "--json"]
        .map(str::to_owned)
        .to_vec();
    args.extend(set);
    let found = sandbox.run(args).expect_code(0).json();
    found["cases"].as_array().expect("a list").clone()
}

fn case<'a>(cases: &'a [Value], resume_at: u64, left_out: &str) -> &'a Value {
    let found = cases
        .iter()
        .find(|case| case["resume_at"] == resume_at && case["left_out"] == left_out);
    found.unwrap_or_else(|| panic!("no case of {left_out}"))
}

fn rows(case: &Value) -> &Vec<Value> {
    case["rows"].as_array().expect("a list")
}

#[track_caller]
fn assert_nothing(case: &Value) {
    assert_eq!(case["matters"], false, "{case}");
    assert_eq!(case["first_differing_step"], Value::Null, "{case}");
    assert_eq!(case["distance"], 0.0, "{case}");
    for row in rows(case) {
        for column in [
            "train_difference_percent",
            "valid_difference_percent",
            "distance",
        ] {
            assert_eq!(row[column], 0.0, "{column}: {case}");
        }
    }
}

#[test]
fn omission_goes_unnoticed_or_nothing_is_missed() {
    let sandbox = sandbox!();
    let settings = Settings::small()
        .set("adapt.dropout", 0.2)
        .set("data.augment", "shift");
    let cases = ablate(&sandbox, &settings, "1,2", "out");
    for resume_at in [1, 2] {
        for left_out in ["nothing", "history", "early stopping"] {
            assert_nothing(case(&cases, resume_at, left_out));
        }
        for left_out in [
            "optimizer moments",
            "optimizer step counter",
            "whole optimizer",
            "scheduler",
            "shuffle stream",
            "dropout stream",
            "other streams",
            "adapters' magnitude",
            "global step",
        ] {
            let case = case(&cases, resume_at, left_out);
            assert_eq!(case["matters"], true, "{case}");
            // Three steps an epoch: already the first one after the resume point.
            assert_eq!(case["first_differing_step"], 3 * resume_at + 1, "{case}");
            assert!(case["distance"].as_f64().expect("a number") > 0.0, "{case}");
            assert_eq!(rows(case).len() as u64, 3 - resume_at);
        }
    }
    assert_eq!(cases.len(), 2 * 12);
    let table = std::fs::read_to_string(sandbox.path("out/ablation.md")).expect("written");
    assert_eq!(table.lines().count(), 2 + 24, "{table}");
    let csv = std::fs::read_to_string(sandbox.path("out/ablation.csv")).expect("written");
    assert_eq!(csv.lines().count(), 1 + 3 + 12 * (2 + 1), "{csv}");
}

/// Without what draws, its stream does not matter; the counters matter once they end the run.
#[test]
fn omission_matters_by_itself() {
    let sandbox = sandbox!();
    let settings = Settings::small()
        .set("train.epochs", 6)
        .set("early_stopping.monitor", "train_loss")
        .set("early_stopping.direction", "max")
        .set("early_stopping.patience", 3);
    let cases = ablate(&sandbox, &settings, "2", "out");
    assert_nothing(case(&cases, 2, "dropout stream"));
    assert_nothing(case(&cases, 2, "global step"));
    // Best in the first epoch: the whole run stops after its fourth, and one that counts anew
    // from its third, which is then the best, after its sixth.
    assert_nothing(case(&cases, 2, "nothing"));
    let stopping = case(&cases, 2, "early stopping");
    assert_eq!(stopping["matters"], true);
    assert_eq!(case(&cases, 2, "nothing")["stopped_epoch"], 4);
    assert_eq!(stopping["stopped_epoch"], 6);
}

#[test]
fn running_statistics_go_unnoticed() {
    let sandbox = sandbox!();
    let cases = ablate(&sandbox, &Settings::small_conv_net(), "1", "out");
    assert_eq!(case(&cases, 1, "running statistics")["matters"], true);
    assert_nothing(case(&cases, 1, "nothing"));
    let magnitude = cases
        .iter()
        .any(|case| case["left_out"] == "adapters' magnitude");
    assert!(!magnitude, "the net has no adapters");
}

#[test]
fn resume_point_outside_of_the_run_is_taken() {
    let sandbox = sandbox!();
    let settings = Settings::small().train("").split_off(3);
    for point in ["0", "3", "9"] {
        let args = ["ablate", "--resume-at", point, "--out", "out"].map(str::to_owned);
        let refused = sandbox
            .run([&args[..], &settings].concat())
            .expect_code(2)
            .err;
        assert!(refused.contains(&format!("epoch {point}")), "{refused}");
        assert!(!sandbox.path("out").exists(), "a folder is left");
    }
    let none = ["ablate", "--out", "out"];
    sandbox.run(none).expect_code(2);
}
