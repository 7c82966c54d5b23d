//! A key of many parts after `--set`, or in the `set` of a sweep's plan, became as many tables
//! in tables; dropping them overflowed the stack.

use dacapo_tests::{Settings, sandbox};

#[test]
fn deep_key_overflowed_the_stack() {
    let sandbox = sandbox!();
    let mut args = Settings::small().train("run");
    let key = vec!["a"; 50_000].join(".");
    args.extend(["--set".to_owned(), format!("{key}=1")]);
    let refused = sandbox.run(args).expect_code(2);
    let cause = "expected a key of at most 16 parts, found 50000";
    assert!(refused.err.contains(cause), "{}", refused.err);
    assert!(refused.err.len() < 500, "{}", refused.err);
}
