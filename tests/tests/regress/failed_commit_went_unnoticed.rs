//! Checkpoints are committed beside the next step: one that fails must still end the run,
//! and leave the one before to go on from.

use dacapo_tests::{Settings, assert_same_run, sandbox};

#[test]
fn failed_commit_went_unnoticed() {
    let sandbox = sandbox!();
    let settings = Settings::small().set("checkpoint.every_steps", 1);
    sandbox.run(settings.train("whole")).expect_success();
    let mut half = settings.train("halves");
    half.extend(["--stop-after-step", "4"].map(str::to_owned));
    sandbox.run(half).expect_success();
    let latest = std::fs::read(sandbox.path("halves/latest")).expect("latest");

    // Not even root can rename a file onto a folder.
    let history = sandbox.path("halves/history.csv");
    std::fs::remove_file(&history).expect("history.csv");
    std::fs::create_dir(&history).expect("a folder");
    let refused = sandbox.run(["resume", "halves"]).expect_code(2);
    assert!(refused.err.contains("history.csv"), "{}", refused.err);
    let now = std::fs::read(sandbox.path("halves/latest")).expect("latest");
    assert_eq!(now, latest);

    std::fs::remove_dir(&history).expect("the folder");
    sandbox.run(["resume", "halves"]).expect_success();
    assert_same_run(&sandbox.path("whole"), &sandbox.path("halves"));
}
