//! Runs that were damaged, mixed up or edited.

use std::path::PathBuf;

use dacapo_tests::{Sandbox, Settings, sandbox};

use crate::telling::{assert_refused, latest};

/// A run called `run` that stopped after 4 of 9 steps, and its latest checkpoint.
fn stopped() -> (Sandbox, PathBuf, Vec<u8>) {
    let sandbox = sandbox!();
    let settings = Settings::small()
        .set("run.seed", 42)
        .set("adapt.rank", 4)
        .set("optimizer.lr", 0.003);
    sandbox.run(settings.train_until("run", 4)).expect_success();
    let file = latest(&sandbox.path("run"));
    let bytes = std::fs::read(&file).expect("a file");
    (sandbox, file, bytes)
}

#[test]
fn damaged_checkpoint_is_resumed() {
    let (sandbox, file, whole) = stopped();
    let len = whole.len();
    let flipped = |at: usize, bit: u8| {
        let mut bytes = whole.clone();
        bytes[at] ^= bit;
        bytes
    };
    let foreign = b"\x7fELF, or whatever else there is, of some length".repeat(9);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "an empty file"),
        ("first byte", flipped(0, 1), "the payload is damaged"),
        ("header", flipped(20, 0x80), "the payload is damaged"),
        ("middle", flipped(len / 2, 4), "the payload is damaged"),
        (
            "end of payload",
            flipped(len - 81, 1),
            "the payload is damaged",
        ),
        ("magic", flipped(len - 80, 1), "the trailer is damaged"),
        ("version", flipped(len - 72, 2), "the trailer is damaged"),
        ("length", flipped(len - 56, 1), "the trailer is damaged"),
        ("checksum", flipped(len - 40, 1), "the trailer is damaged"),
        ("last byte", flipped(len - 1, 1), "the trailer is damaged"),
        ("one byte less", whole[..len - 1].to_vec(), "cut short"),
        ("no trailer", whole[..len - 80].to_vec(), "cut short"),
        ("half", whole[..len / 2].to_vec(), "cut short"),
        ("one byte", whole[..1].to_vec(), "cut short"),
        ("begin lost", whole[100..].to_vec(), "cut short"),
        ("byte added", [&whole[..], b"\n"].concat(), "cut short"),
        ("another file", foreign, "expected a dacapo checkpoint"),
    ];
    let shown = file.to_str().expect("UTF-8");
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.expect("a name");
    for (what, bytes, needle) in cases {
        println!("{what}");
        std::fs::write(&file, bytes).expect("written");
        assert_refused(&sandbox, ["resume", "run"], &[needle, name]);
        assert_refused(&sandbox, ["inspect", shown], &[needle, name]);
        assert_refused(&sandbox, ["verify", "run", shown], &[needle, name]);
    }
    std::fs::write(&file, whole).expect("written");
    sandbox.run(["resume", "run"]).expect_success();
}

#[test]
fn pointer_to_nothing_is_followed() {
    let (sandbox, file, _) = stopped();
    let pointer = sandbox.path("run/latest");
    let name = std::fs::read(&pointer).expect("a pointer");
    for (content, needle) in [
        ("step-00000099.mpk\n", "`step-00000099.mpk`"),
        ("../latest.mpk\n", "expected one line"),
        ("", "expected one line"),
        ("a.mpk\nb.mpk\n", "expected one line"),
    ] {
        std::fs::write(&pointer, content).expect("written");
        assert_refused(&sandbox, ["resume", "run"], &["run/latest", needle]);
        assert_refused(&sandbox, ["inspect", "run"], &["run/latest", needle]);
    }
    std::fs::write(&pointer, name).expect("written");
    std::fs::rename(&file, file.with_extension("bak")).expect("renamed");
    assert_refused(
        &sandbox,
        ["resume", "run"],
        &["run/latest", "Restore that file"],
    );
    std::fs::rename(file.with_extension("bak"), &file).expect("renamed");
    std::fs::remove_file(&pointer).expect("removed");
    assert_refused(
        &sandbox,
        ["resume", "run"],
        &["no checkpoint", "dacapo train"],
    );
}

#[test]
fn checkpoint_of_another_run_is_resumed() {
    let (sandbox, file, _) = stopped();
    let others = [
        (
            "seed",
            Settings::small().set("run.seed", 7),
            "run.seed is 42, was 7",
        ),
        (
            "rank",
            Settings::small().set("adapt.rank", 2),
            "adapt.rank is 4, was 2",
        ),
        (
            "size",
            Settings::small().set("model.vit.d_mlp", 16),
            "model.vit.d_mlp is 32, was 16",
        ),
        ("kind", Settings::small_conv_net(), "model.kind is \"vit\""),
        (
            "data",
            Settings::small().set("data.limit", 39),
            "data.limit is 40, was 39",
        ),
    ];
    for (name, settings, needle) in others {
        sandbox.run(settings.train_until(name, 4)).expect_success();
        std::fs::copy(latest(&sandbox.path(name)), &file).expect("copied");
        let cause = ["config.toml", needle, "another run's"];
        assert_refused(&sandbox, ["resume", "run"], &cause);
        let accepting = ["resume", "run", "--allow-identity-change"];
        assert_refused(&sandbox, accepting, &cause);
    }
}

#[test]
fn edited_configuration_is_resumed() {
    let (sandbox, _, _) = stopped();
    let path = sandbox.path("run/config.toml");
    let text = std::fs::read_to_string(&path).expect("a file");
    let edit = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in\n{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("written");
    };
    edit("lr = 0.003", "lr = 0.03");
    let cause = ["optimizer.lr is 0.03, was 0.003", "put the old values back"];
    assert_refused(&sandbox, ["resume", "run"], &cause);
    edit("seed = 42", "seed = 1");
    assert_refused(&sandbox, ["resume", "run"], &["run.seed is 1, was 42"]);
    edit("lr = 0.003", "lr = \"fast\"");
    assert_refused(
        &sandbox,
        ["resume", "run"],
        &["config.toml", "`optimizer.lr`"],
    );
    edit("lr = 0.003", "learning_rate = 0.003");
    assert_refused(
        &sandbox,
        ["resume", "run"],
        &["config.toml", "`learning_rate`"],
    );
    std::fs::write(&path, "").expect("written");
    assert_refused(&sandbox, ["resume", "run"], &["config.toml", "model.base"]);
    std::fs::remove_file(&path).expect("removed");
    assert_refused(&sandbox, ["resume", "run"], &["no config.toml"]);
    // What may be changed may be changed.
    edit("epochs = 3", "epochs = 4");
    sandbox.run(["resume", "run"]).expect_success();
}

#[test]
fn diverging_run_loses_its_last_good_checkpoint() {
    let sandbox = sandbox!();
    let settings = Settings::small()
        .set("optimizer.lr", "1e30")
        .set("scheduler.kind", "constant")
        .set("checkpoint.every_steps", 1);
    let failed = sandbox.run(settings.train("run"));
    assert_eq!(failed.code, Some(2), "{}", failed.err);
    for needle in ["step ", "lower optimizer.lr"] {
        assert!(failed.err.contains(needle), "{}", failed.err);
    }
    assert!(!failed.err.contains("panicked"), "{}", failed.err);
    sandbox.run(["inspect", "run"]).expect_success();
    let again = sandbox.run(["resume", "run"]);
    assert_eq!(again.code, Some(2), "{}", again.err);
}
