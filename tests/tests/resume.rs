//! A run that was stopped anywhere and resumed ends in the bits of the uninterrupted one.

use dacapo_tests::{Settings, assert_same_run, sandbox};

#[test]
fn resumed_run_ends_elsewhere() {
    let sandbox = sandbox!();
    sandbox
        .run(Settings::small().train("whole"))
        .expect_success();
    let mut args = Settings::small().train("halves");
    args.extend(["--stop-after-step".to_owned(), "4".to_owned()]);
    sandbox.run(args).expect_success();
    sandbox.run(["resume", "halves"]).expect_success();
    assert_same_run(&sandbox.path("whole"), &sandbox.path("halves"));
}
