//! More than one stop on the way.

use dacapo_tests::Settings;

use super::harmless::Whole;

/// As much state as one run can have: dropout of both kinds, augmentation, accumulation
/// with an incomplete last group, amsgrad, clipping, two groups. 4 steps an epoch.
pub fn everything() -> Settings {
    Settings::small()
        .set("adapt.dropout", 0.2)
        .set("model.vit.dropout", 0.1)
        .set("data.augment", "shift")
        .set("train.batch_size", 6)
        .set("train.accumulation", 2)
        .set("optimizer.amsgrad", true)
        .set("optimizer.clip_norm", 0.5)
        .set(
            "optimizer.groups",
            r#"[{ pattern = "*.magnitude", lr = 1e-2 }]"#,
        )
        .set("scheduler.warmup", 5)
}

fn stop_after(whole: &Whole, run: &str, step: u64) {
    let step = step.to_string();
    let args = ["resume", run, "--stop-after-step", &step];
    whole.sandbox.run(args).expect_success();
}

#[test]
fn second_stop_bends_the_run() {
    // All pairs: both within one epoch, both at its end, and in different epochs.
    let whole = Whole::run(&everything());
    let sandbox = &whole.sandbox;
    for first in 0..whole.steps() {
        let once = format!("once-{first}");
        sandbox
            .run(everything().train_until(&once, first))
            .expect_success();
        for second in first + 1..whole.steps() {
            let twice = format!("twice-{first}-{second}");
            sandbox.copy(&once, &twice);
            stop_after(&whole, &twice, second);
            assert_eq!(sandbox.latest(&twice).run.global_step, second);
            sandbox.run(["resume", &twice]).expect_success();
            whole.assert_same(&twice);
            sandbox.remove(&twice);
        }
    }
}

#[test]
fn process_per_step_bends_the_run() {
    let whole = Whole::run(&everything());
    whole
        .sandbox
        .run(everything().train_until("steps", 0))
        .expect_success();
    for step in 1..=whole.steps() {
        stop_after(&whole, "steps", step);
    }
    whole.assert_same("steps");
    let sessions = whole.sandbox.latest("steps").info.sessions;
    assert_eq!(sessions, whole.steps() + 1);
}

#[test]
fn stop_that_is_behind_the_run_moves_it() {
    let whole = Whole::run(&everything());
    whole
        .sandbox
        .run(everything().train_until("stopped", 5))
        .expect_success();
    whole.sandbox.copy("stopped", "again");
    for step in [5, 2, 0] {
        stop_after(&whole, "again", step);
        dacapo_tests::assert_same_run(&whole.sandbox.path("stopped"), &whole.sandbox.path("again"));
    }
}

#[test]
fn finished_run_trains_on_when_resumed() {
    let whole = Whole::run(&everything());
    whole.sandbox.copy("whole", "again");
    let said = whole.sandbox.run(["resume", "again"]).expect_success();
    assert!(said.out.contains("nothing to do"), "{}", said.out);
    whole.assert_same("again");
}

#[test]
fn moved_folder_bends_the_run() {
    let whole = Whole::run(&everything());
    let sandbox = &whole.sandbox;
    sandbox
        .run(everything().train_until("here", 6))
        .expect_success();
    std::fs::create_dir(sandbox.path("elsewhere")).expect("a folder can be made");
    sandbox.copy("here", "elsewhere/there");
    sandbox.remove("here");
    sandbox.run(["resume", "elsewhere/there"]).expect_success();
    whole.assert_same("elsewhere/there");
}
