//! What `dacapo plan` says, on a machine without a GPU too.

use dacapo::ops::{KernelPlan, Precision};
use dacapo_tests::sandbox;
use serde_json::Value;

#[test]
fn plan_that_is_shown_is_not_the_one_in_use() {
    let sandbox = sandbox!();
    let plan = KernelPlan::current();

    let text = sandbox.run(["plan"]).expect_success();
    let json = sandbox
        .run(["plan", "--device", "cuda:1", "--json"])
        .expect_success();
    let shown: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(shown["hash"], plan.hash());
    assert_eq!(shown["id"], plan.id());
    assert_eq!(shown["text"], plan.text());
    assert!(text.out.contains(&plan.hash()), "{}", text.out);
    for (name, version) in plan.fused() {
        assert_eq!(shown["fused"][name], *version);
        let line = format!("{name:<18} version {version}");
        assert!(text.out.contains(&line), "{}", text.out);
    }

    let rows = shown["rows"].as_array().expect("a list");
    assert_eq!(rows.len(), plan.rows().len());
    for (row, shown) in plan.rows().iter().zip(rows) {
        assert_eq!(shown["precision"], row.precision.name());
        let kernels = shown["kernels"].as_array().expect("a list");
        let names: Vec<_> = row.kernels.iter().map(|kernel| kernel.name()).collect();
        assert_eq!(*kernels, names);
        let line = names.join(", ");
        let found = text.out.lines().any(|text| {
            text.contains(row.precision.name())
                && text.contains(row.class.name())
                && text.ends_with(&line)
        });
        assert!(found, "no line for {row:?} in {}", text.out);
    }
    assert!(plan.text().contains(Precision::Tf32.name()));
}

#[test]
fn cpu_is_said_to_follow_the_plan() {
    let sandbox = sandbox!();
    let json = sandbox
        .run(["plan", "--device", "cpu", "--json"])
        .expect_success();
    let shown: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(shown["kernel_plan"], "fixed");
    assert!(shown.get("rows").is_none());
    assert!(shown.get("fused").is_none());
    let text = sandbox.run(["plan", "--device", "cpu"]).expect_success();
    let told = text.out.contains("plain tensor operations");
    assert!(told, "{}", text.out);
}
