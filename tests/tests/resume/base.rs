//! Runs on a base that comes from elsewhere, and the runs that make bases.

use std::fs;

use dacapo_tests::{Settings, sandbox};

use super::harmless::assert_stops_are_harmless;

#[test]
fn stop_bends_a_run_on_the_embedded_base() {
    // The embedded default, with less data.
    let settings = Settings::new()
        .set("data.limit", 96)
        .set("data.valid_fraction", 0.05)
        .set("data.test_fraction", 0.05)
        .set("train.epochs", 3)
        .set("scheduler.warmup", 2);
    let whole = assert_stops_are_harmless(&settings);
    assert_eq!(whole.steps(), 9);
}

/// Arguments that pretrain a small base.
fn pretrain(settings: &Settings, out: &str, save: &str) -> Vec<String> {
    let mut args = settings.train(out);
    args[0] = "pretrain".to_owned();
    args.extend(["--save", save].map(str::to_owned));
    args
}

#[test]
fn stop_bends_a_run_on_a_base_from_a_file() {
    let sandbox = sandbox!();
    let small = Settings::small();
    sandbox
        .run(pretrain(&small, "run", "base.mpk"))
        .expect_success();
    let base = sandbox.path("base.mpk");
    assert_stops_are_harmless(&small.set("model.base", base.display()));
}

#[test]
fn stopped_pretraining_saves_another_base() {
    let sandbox = sandbox!();
    let settings = Settings::small().set("data.augment", "shift");
    sandbox
        .run(pretrain(&settings, "whole", "whole.mpk"))
        .expect_success();
    let whole = fs::read(sandbox.path("whole.mpk")).expect("the base was saved");
    for step in ["0", "2", "3", "8"] {
        let (run, base) = (format!("stopped-{step}"), format!("{step}.mpk"));
        let mut args = pretrain(&settings, &run, &base);
        args.extend(["--stop-after-step", step].map(str::to_owned));
        sandbox.run(args).expect_success();
        assert!(!sandbox.path(&base).exists(), "it is not finished");
        sandbox
            .run(["resume", &run, "--save", &base])
            .expect_success();
        let saved = fs::read(sandbox.path(&base)).expect("the base was saved");
        assert!(saved == whole, "stopped after step {step}");
    }
}
