//! A run goes on only where the same computation gives the same bits, unless the user
//! accepts a change; then the run's lineage tells of it for ever.

use std::path::Path;

use burn_flex::Flex;
use dacapo::trainer::{Identity, RunFolder, TrainerRecord};
use dacapo_tests::{Sandbox, Settings, assert_same_run, sandbox};
use serde_json::Value;

/// A run that stopped after 4 of its 9 steps, whose latest checkpoint says that `edit` was
/// its identity.
fn stopped_elsewhere(sandbox: &Sandbox, name: &str, edit: impl FnOnce(&mut Identity)) {
    sandbox
        .run(Settings::small().train_until(name, 4))
        .expect_success();
    edit_latest(&sandbox.path(name), |record| edit(&mut record.identity));
}

fn edit_latest(root: &Path, edit: impl FnOnce(&mut TrainerRecord)) {
    let folder = RunFolder::new(root);
    let name = folder.latest().expect("a pointer").expect("a checkpoint");
    let mut record = folder.load(&name).expect("a whole checkpoint");
    edit(&mut record);
    folder
        .save::<Flex>(&name, record, false)
        .expect("it is written");
}

fn inspected(sandbox: &Sandbox, name: &str) -> Value {
    sandbox
        .run(["inspect", name, "--json"])
        .expect_success()
        .json()
}

type Edit = fn(&mut Identity);

/// Parts that a user may accept a change of, with a value from elsewhere.
const PARTS: &[(&str, &str, Edit)] = &[
    ("cpu_features", "[made-up]", |identity| {
        identity.cpu_features = vec!["made-up".to_owned()];
    }),
    ("cargo_features", "[made-up]", |identity| {
        identity.cargo_features = vec!["made-up".to_owned()];
    }),
    ("numerics", "0123", |identity| {
        identity.numerics = "0123".to_owned();
    }),
    ("dacapo", "0.0.1", |identity| {
        identity.dacapo = "0.0.1".to_owned();
    }),
    ("burn", "0.20.0", |identity| {
        identity.burn = "0.20.0".to_owned();
    }),
    ("backend", "other", |identity| {
        identity.backend = "other".to_owned();
    }),
    ("device", "gpu", |identity| {
        identity.device = "gpu".to_owned();
    }),
    ("precision", "bf16", |identity| {
        identity.precision = "bf16".to_owned();
    }),
    ("kernel_plan", "tuned", |identity| {
        identity.kernel_plan = "tuned".to_owned();
    }),
    ("platform", "vax-vms", |identity| {
        identity.platform = "vax-vms".to_owned();
    }),
];

#[test]
fn another_identity_is_resumed_silently() {
    let sandbox = sandbox!();
    stopped_elsewhere(&sandbox, "run", |_| {});
    let original = std::fs::read(latest_file(&sandbox.path("run"))).expect("a file");
    for (part, recorded, edit) in PARTS {
        std::fs::write(latest_file(&sandbox.path("run")), &original).expect("it is written");
        edit_latest(&sandbox.path("run"), |record| edit(&mut record.identity));
        let before = std::fs::read(latest_file(&sandbox.path("run"))).expect("a file");

        let refused = sandbox.run(["resume", "run"]).expect_code(2);
        for needle in [
            &format!("identity.{part}: recorded {recorded}, now "),
            "--allow-identity-change",
        ] {
            assert!(refused.err.contains(needle), "{part}: {}", refused.err);
        }
        let others = refused.err.matches("identity.").count();
        assert_eq!(others, 1, "{part}: other parts are named: {}", refused.err);
        let after = std::fs::read(latest_file(&sandbox.path("run"))).expect("a file");
        assert_eq!(before, after, "{part}: the refusal changed the checkpoint");
    }
}

fn latest_file(root: &Path) -> std::path::PathBuf {
    let folder = RunFolder::new(root);
    let name = folder.latest().expect("a pointer").expect("a checkpoint");
    folder.checkpoint(&name).expect("a path")
}

#[test]
fn part_of_the_identity_is_not_compared() {
    let mut identity = Identity::default();
    for (_, _, edit) in PARTS {
        edit(&mut identity);
    }
    let changed: Vec<String> = Identity::default()
        .changes(&identity)
        .into_iter()
        .map(|change| change.key)
        .collect();
    let all: Vec<&str> = identity.parts().into_iter().map(|(key, _)| key).collect();
    let untested: Vec<&str> = all
        .into_iter()
        .filter(|key| !changed.iter().any(|changed| changed == key))
        .collect();
    assert_eq!(untested, ["base_hash", "config_hash"]);
}

#[test]
fn accepted_change_leaves_no_trace() {
    let sandbox = sandbox!();
    stopped_elsewhere(&sandbox, "run", |identity| {
        identity.cpu_features = vec!["made-up".to_owned()];
        identity.dacapo = "0.0.1".to_owned();
    });
    let args = [
        "resume",
        "run",
        "--allow-identity-change",
        "--stop-after-step",
        "6",
    ];
    sandbox.run(args).expect_success();

    // The record has this program's identity now, so that no consent is needed again.
    sandbox.run(["resume", "run"]).expect_success();
    let json = inspected(&sandbox, "run");
    let lineage = json["lineage"].as_array().expect("a list");
    assert_eq!(lineage.len(), 1, "{json:#}");
    assert_eq!(lineage[0]["step"], 4);
    let changes = lineage[0]["identity_changes"].as_array().expect("a list");
    let keys: Vec<&Value> = changes.iter().map(|change| &change["key"]).collect();
    assert_eq!(keys, ["dacapo", "cpu_features"]);
    assert_eq!(changes[0]["recorded"], "0.0.1");
    assert_eq!(changes[0]["current"], json["identity"]["dacapo"]);
    assert_eq!(changes[1]["recorded"], "[made-up]");

    let text = sandbox.run(["inspect", "run"]).expect_success().out;
    let told = "step 4: identity.dacapo changed from 0.0.1 to ";
    assert!(text.contains(told), "{text}");
    assert!(text.contains("identity.cpu_features changed"), "{text}");

    // Here the arithmetic was the same in truth, so the lineage is all that differs, and
    // `verify` tells it from an untouched run.
    sandbox
        .run(Settings::small().train("true"))
        .expect_success();
    let verdict = sandbox
        .run(["verify", "true", "run", "--json"])
        .expect_code(1);
    let diff = verdict.json()["compared"]["state"]["diff"].clone();
    let differing = diff["differing"].as_array().expect("a list").iter();
    let differing = differing.map(|leaf| leaf["path"].clone());
    let only = ["only_left", "only_right"].map(|side| diff[side].as_array().expect("a list"));
    for path in differing.chain(only.into_iter().flatten().cloned()) {
        let path = path.as_str().expect("a path").to_owned();
        assert!(path.starts_with("run.lineage"), "{path} differs");
    }
}

#[test]
fn second_accepted_change_overwrites_the_first() {
    let sandbox = sandbox!();
    stopped_elsewhere(&sandbox, "run", |identity| identity.numerics.clear());
    let resume = [
        "resume",
        "run",
        "--allow-identity-change",
        "--stop-after-step",
    ];
    sandbox.run(resume.iter().chain(&["5"])).expect_success();
    edit_latest(&sandbox.path("run"), |record| {
        record.identity.burn = "0.0.0".to_owned();
    });
    sandbox.run(resume.iter().chain(&["6"])).expect_success();
    let lineage = inspected(&sandbox, "run")["lineage"].clone();
    let told: Vec<(&Value, &Value)> = lineage
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| (&event["step"], &event["identity_changes"][0]["key"]))
        .collect();
    assert_eq!(
        told,
        [(&4.into(), &"numerics".into()), (&5.into(), &"burn".into())]
    );
}

#[test]
fn needless_consent_changes_the_run() {
    let sandbox = sandbox!();
    stopped_elsewhere(&sandbox, "run", |_| {});
    let args = ["resume", "run", "--allow-identity-change"];
    sandbox.run(args).expect_success();
    sandbox
        .run(Settings::small().train("true"))
        .expect_success();
    assert_same_run(&sandbox.path("true"), &sandbox.path("run"));
}

#[test]
fn another_base_is_accepted() {
    let sandbox = sandbox!();
    for (run, edit) in [
        ("base_hash", (|identity| identity.base_hash.clear()) as Edit),
        ("config_hash", |identity| identity.config_hash.clear()),
    ] {
        stopped_elsewhere(&sandbox, run, edit);
        for args in [
            vec!["resume", run],
            vec!["resume", run, "--allow-identity-change"],
        ] {
            let refused = sandbox.run(args).expect_code(2);
            let named = format!("state `identity.{run}`");
            assert!(refused.err.contains(&named), "{}", refused.err);
            assert!(
                !refused.err.contains("--allow-identity-change"),
                "advises what does not help: {}",
                refused.err
            );
        }
    }
}
