//! Products of settings overflowed: `train.accumulation` divided by zero, and a seed that
//! TOML cannot hold was called a text.

use dacapo_tests::{Settings, sandbox};

#[test]
fn accumulation_overflowed() {
    let sandbox = sandbox!();
    for (run, accumulation) in [("a", i64::MAX), ("b", 1 << 60), ("c", 1 << 63 >> 4)] {
        let settings = Settings::small()
            .set("scheduler.kind", "constant")
            .set("train.accumulation", accumulation.unsigned_abs());
        let done = sandbox.run(settings.train(run)).expect_success();
        assert!(done.out.contains("3 epochs and 3 steps"), "{}", done.out);
    }
}

#[test]
fn number_of_steps_overflowed() {
    let sandbox = sandbox!();
    let settings = Settings::small().set("train.epochs", i64::MAX);
    sandbox.run(settings.train_until("run", 2)).expect_success();
    let args = ["resume", "run", "--stop-after-step", "4"];
    sandbox.run(args).expect_success();
}

#[test]
fn seed_beyond_toml_was_called_a_text() {
    let sandbox = sandbox!();
    let mut args = Settings::small().train("run");
    args.extend(["--seed".to_owned(), u64::MAX.to_string()]);
    let refused = sandbox.run(args).expect_code(2);
    assert!(
        refused.err.contains("not in 0..=9223372036854775807"),
        "{}",
        refused.err
    );
    assert!(!sandbox.path("run").exists());
}
