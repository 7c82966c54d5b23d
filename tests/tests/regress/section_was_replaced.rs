//! `--set train=3` followed by any key of `train` was accepted, and silently set every
//! other key of the section back to its default.

use dacapo_tests::{Settings, sandbox};

#[test]
fn section_was_replaced() {
    let sandbox = sandbox!();
    let settings = Settings::small().set("train", 3).set("train.epochs", 2);
    let refused = sandbox.run(settings.train("run")).expect_code(2);
    assert!(
        refused.err.contains("--set train=3: `train` is a section"),
        "{}",
        refused.err
    );
    assert!(!sandbox.path("run").exists());

    std::fs::write(sandbox.path("run.toml"), "train = 3\n").expect("the file can be written");
    let mut args = Settings::small().train("run");
    args.insert(1, "run.toml".to_owned());
    let refused = sandbox.run(args).expect_code(2);
    assert!(
        refused.err.contains("run.toml: `train` is a section"),
        "{}",
        refused.err
    );
    assert!(!sandbox.path("run").exists());
}
