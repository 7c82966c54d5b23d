//! Settings that may change between sessions: how long to train, when to write.

use dacapo_tests::{Settings, assert_same_run};

use super::{harmless::Whole, several_stops::everything};

/// Three epochs at once, in the folder `whole`, with a schedule that does not depend on
/// the number of epochs.
fn constant() -> (Settings, Whole) {
    let settings = everything().set("scheduler.kind", "constant");
    let whole = Whole::run(&settings);
    (settings, whole)
}

#[test]
fn longer_run_differs_from_one_that_was_extended() {
    let (settings, whole) = constant();
    let sandbox = &whole.sandbox;
    for short in [1, 2] {
        let name = format!("short-{short}");
        let settings = settings.clone().set("train.epochs", short);
        sandbox.run(settings.train(&name)).expect_success();
        assert_eq!(sandbox.latest(&name).data.epoch, short);
        sandbox
            .run(["resume", &name, "--epochs", "3"])
            .expect_success();
        assert_same_run(&sandbox.path("whole"), &sandbox.path(&name));
    }
}

#[test]
fn extension_is_forgotten_at_the_next_stop() {
    let (settings, whole) = constant();
    let sandbox = &whole.sandbox;
    let settings = settings.set("train.epochs", 2);
    for step in 8..whole.steps() {
        let name = format!("stopped-{step}");
        sandbox.run(settings.train(&name)).expect_success();
        let step = step.to_string();
        sandbox
            .run(["resume", &name, "--epochs", "3", "--stop-after-step", &step])
            .expect_success();
        sandbox.run(["resume", &name]).expect_success();
        assert_same_run(&sandbox.path("whole"), &sandbox.path(&name));
    }
}

#[test]
fn extension_in_the_middle_of_an_epoch_bends_the_run() {
    let (settings, whole) = constant();
    let settings = settings.set("train.epochs", 1);
    let sandbox = &whole.sandbox;
    sandbox
        .run(settings.train_until("stopped", 2))
        .expect_success();
    sandbox
        .run(["resume", "stopped", "--epochs", "3"])
        .expect_success();
    assert_same_run(&sandbox.path("whole"), &sandbox.path("stopped"));
}

#[test]
fn extension_stretches_a_schedule_of_fixed_length() {
    let settings = everything()
        .set("scheduler.kind", "cosine")
        .set("scheduler.total", 9);
    let whole = Whole::run(&settings);
    let settings = settings.set("train.epochs", 2);
    let sandbox = &whole.sandbox;
    sandbox.run(settings.train("short")).expect_success();
    sandbox
        .run(["resume", "short", "--epochs", "3"])
        .expect_success();
    assert_same_run(&sandbox.path("whole"), &sandbox.path("short"));
}

#[test]
fn shortened_run_differs_from_a_short_one() {
    let (settings, whole) = constant();
    let sandbox = &whole.sandbox;
    sandbox
        .run(settings.clone().set("train.epochs", 2).train("short"))
        .expect_success();
    sandbox
        .run(settings.train_until("long", 6))
        .expect_success();
    sandbox
        .run(["resume", "long", "--epochs", "2"])
        .expect_success();
    assert_same_run(&sandbox.path("short"), &sandbox.path("long"));
}

#[test]
fn other_checkpoint_policy_bends_the_run() {
    let whole = Whole::run(&everything());
    let sandbox = &whole.sandbox;
    sandbox
        .run(everything().train_until("stopped", 5))
        .expect_success();
    let path = sandbox.path("stopped").join("config.toml");
    let text = std::fs::read_to_string(&path).expect("the file can be read");
    let text = text
        .replace("every_steps = 0", "every_steps = 2")
        .replace("every_epochs = 1", "every_epochs = 0")
        .replace("keep_last = 2", "keep_last = 1");
    std::fs::write(&path, text).expect("the file can be written");
    sandbox.run(["resume", "stopped"]).expect_success();
    whole.assert_same("stopped");
}
