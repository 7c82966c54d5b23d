//! A run whose numbers leave the floats: it ends with an error that says which, and what was
//! committed before stays whole.

use dacapo_tests::{Settings, sandbox};

/// Steps so long that the third sees no number any more.
fn diverging() -> Settings {
    Settings::small()
        .set("optimizer.lr", "1e30")
        .set("scheduler.kind", "constant")
        .set("checkpoint.every_steps", 1)
}

#[test]
fn loss_that_is_no_number_is_trained_on() {
    let sandbox = sandbox!();
    let found = sandbox.run(diverging().train("run")).expect_code(2);
    assert!(found.err.contains("train_loss"), "{}", found.err);
    // The step after which the loss was computed is the last that is kept.
    let kept = sandbox.latest("run").run.global_step;
    assert!(kept > 0, "the first step was finite");
    let step = format!("step {}", kept + 1);
    assert!(found.err.contains(&step), "{}", found.err);
    sandbox.run(["inspect", "run"]).expect_success();
    let again = sandbox.run(["resume", "run"]).expect_code(2);
    assert_eq!(again.err.lines().last(), found.err.lines().last());
    assert_eq!(sandbox.latest("run").run.global_step, kept);
}

#[test]
fn clipping_hides_a_loss_that_is_no_number() {
    let sandbox = sandbox!();
    let settings = diverging().set("optimizer.clip_norm", 1.0);
    let found = sandbox.run(settings.train("run")).expect_code(2);
    assert!(found.err.contains("train_loss"), "{}", found.err);
    sandbox.run(["inspect", "run"]).expect_success();
}
