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

/// The TOML reader takes 80 parts of a key and 80 tables in tables: 6400 tables in 12 KB, more
/// than fit a stack of 2 MB, as threads and other systems have it.
#[test]
fn deep_tables_overflowed_a_small_stack() {
    let sandbox = sandbox!();
    let key = ["a"; 79].join(".");
    let depth = 78;
    let value = [
        format!("{{{key}=").repeat(depth),
        "1".to_owned(),
        "}".repeat(depth),
    ]
    .concat();
    std::fs::write(sandbox.path("deep.toml"), format!("x={value}\n")).expect("written");
    let cause = "expected at most 8 open braces";
    let mut args = Settings::small().train("run");
    args.insert(1, "deep.toml".to_owned());
    let refused = sandbox.run(args).expect_code(2);
    assert!(refused.err.contains("deep.toml"), "{}", refused.err);
    assert!(refused.err.contains(cause), "{}", refused.err);
    let mut args = Settings::small().train("run");
    args.extend(["--set".to_owned(), format!("x={value}")]);
    let refused = sandbox.run(args).expect_code(2);
    assert!(refused.err.contains(cause), "{}", refused.err);
    let refused = sandbox
        .run(["sweep", "deep.toml", "--out", "s"])
        .expect_code(2);
    assert!(refused.err.contains(cause), "{}", refused.err);
}
