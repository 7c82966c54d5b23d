//! Files and folders that are not what they should be.

use burn::tensor::{Bytes, TensorData};
use dacapo::digits::BaseRecord;
use dacapo_tests::{Settings, sandbox};

use crate::telling::{assert_refused, latest};

#[test]
fn configuration_file_is_misread() {
    let sandbox = sandbox!();
    let train = |file: &str| {
        let mut args = Settings::small().train("run");
        args.insert(1, file.to_owned());
        args
    };
    let cause = ["cannot read the configuration no.toml", "Check the path"];
    assert_refused(&sandbox, train("no.toml"), &cause);
    let write = |text: &str| std::fs::write(sandbox.path("run.toml"), text).expect("written");

    write("optimizer = { lr = \n");
    let cause = ["run.toml is not valid TOML", "line 1", "Correct the file"];
    assert_refused(&sandbox, train("run.toml"), &cause);
    write("[optimizer]\nlearning_rate = 1.0\n");
    let cause = ["run.toml", "`learning_rate`", "docs/config.md"];
    assert_refused(&sandbox, train("run.toml"), &cause);
    write("[optimizer]\nlr = \"fast\"\n");
    assert_refused(&sandbox, train("run.toml"), &["run.toml", "`optimizer.lr`"]);
    write("[adapt]\nalpha = nan\n");
    assert_refused(&sandbox, train("run.toml"), &["`alpha`", "NaN"]);
    write("[adapt]\nrank = 0\n");
    assert_refused(&sandbox, train("run.toml"), &["`rank`", "found 0"]);
    write("[adapt]\nrank = 1\nrank = 2\n");
    assert_refused(&sandbox, train("run.toml"), &["run.toml", "duplicate key"]);
    std::fs::write(sandbox.path("run.toml"), [0xff, 0xfe]).expect("written");
    assert_refused(&sandbox, train("run.toml"), &["run.toml", "UTF-8"]);
    assert_refused(&sandbox, train("."), &["cannot read the configuration ."]);
}

#[test]
fn unknown_device_is_replaced() {
    let sandbox = sandbox!();
    let mut args = Settings::small().train("run");
    args.extend(["--device", "cuda"].map(str::to_owned));
    let cause = ["--device cuda:0", "use --device cpu"];
    assert_refused(&sandbox, args, &cause);
    assert!(!sandbox.path("run").exists());
    sandbox
        .run(Settings::small().train_until("run", 1))
        .expect_success();
    assert_refused(&sandbox, ["resume", "run", "--device", "cuda"], &cause);
    let unknown = sandbox.run(["resume", "run", "--device", "gpu"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("use cpu or cuda:N"), "{}", unknown.err);
}

#[test]
fn base_that_does_not_fit_is_used() {
    let sandbox = sandbox!();
    let mut args = Settings::small()
        .set("model.vit.d_model", 8)
        .set("train.epochs", 1)
        .train("pretrained");
    args[0] = "pretrain".to_owned();
    args.extend(["--save", "base.mpk"].map(str::to_owned));
    sandbox.run(args).expect_success();
    let with = |base: &str| Settings::small().set("model.base", format!("{base:?}"));

    let settings = with("base.mpk");
    let cause = ["base.mpk", "\"d_model\":8", "\"d_model\":16", "Set [model]"];
    assert_refused(&sandbox, settings.train("run"), &cause);
    let settings = with("base.mpk")
        .set("model.kind", "conv-net")
        .set("adapt.mode", "full");
    assert_refused(&sandbox, settings.train("run"), &["conv-net", "vit"]);
    let settings = with("no.mpk");
    let cause = ["model.base", "no.mpk", "dacapo pretrain"];
    assert_refused(&sandbox, settings.train("run"), &cause);

    // A checkpoint is no base, and a base is no checkpoint.
    let checkpoint = latest(&sandbox.path("pretrained"));
    let relative = checkpoint.strip_prefix(sandbox.root()).expect("inside");
    let settings = with(relative.to_str().expect("UTF-8"));
    assert_refused(
        &sandbox,
        settings.train("run"),
        &["is no base", "`adapters`", "dacapo pretrain"],
    );
    assert_refused(
        &sandbox,
        ["inspect", "base.mpk"],
        &["`architecture`", "complete record"],
    );

    let whole = std::fs::read(sandbox.path("base.mpk")).expect("a file");
    let mut broken = whole.clone();
    broken[whole.len() / 2] ^= 1;
    std::fs::write(sandbox.path("base.mpk"), &broken).expect("written");
    let settings = with("base.mpk").set("model.vit.d_model", 8);
    assert_refused(&sandbox, settings.train("run"), &["base.mpk", "damaged"]);
    std::fs::write(sandbox.path("base.mpk"), &whole).expect("written");
    sandbox.run(settings.train("run")).expect_success();
}

/// The checksum of a base is right: it was written like that.
#[test]
fn base_with_tensors_that_are_none_is_used() {
    let sandbox = sandbox!();
    let write = |change: &dyn Fn(&mut TensorData)| {
        let mut base = BaseRecord::embedded().expect("the program's own");
        let (_, first) = base.tensors.iter_mut().next().expect("a tensor");
        change(first);
        base.write(&sandbox.path("base.mpk")).expect("written");
    };
    let args = ["train", "--out", "run", "--set", "model.base=base.mpk"];
    let name = BaseRecord::embedded().expect("the program's own");
    let name = name.tensors.keys().next().expect("a tensor").clone();
    let leaf = format!("tensors.{name}: expected");

    write(&|data| data.bytes = Bytes::from_bytes_vec(data.bytes[4..].to_vec()));
    assert_refused(&sandbox, args, &["base.mpk", &leaf, "bytes for F32"]);
    write(&|data| data.bytes = Bytes::from_bytes_vec(Vec::new()));
    assert_refused(&sandbox, args, &[&leaf, "found 0 bytes"]);
    // As many elements as no machine counts, and fewer than there are.
    write(&|data| data.shape = [usize::MAX, usize::MAX].into());
    assert_refused(&sandbox, args, &[&leaf]);
    write(&|data| data.shape = [1].into());
    assert_refused(&sandbox, args, &[&leaf, "4 bytes for F32 [1]"]);
    let leaf = format!("`tensors.{name}`");
    for value in [f32::NAN, f32::INFINITY] {
        write(&|data| data.as_mut_slice::<f32>().expect("f32")[2] = value);
        let found = format!("{value} at position 2");
        let cause = ["model.base", "base.mpk is no base", &leaf, &found];
        assert_refused(&sandbox, args, &cause);
    }
}

#[test]
fn folder_that_cannot_be_made_is_half_made() {
    let sandbox = sandbox!();
    std::fs::write(sandbox.path("file"), "mine").expect("written");
    let settings = Settings::small();
    for out in ["file/run", "file/a/b"] {
        let cause = ["cannot make the run folder", out, "--out"];
        assert_refused(&sandbox, settings.train(out), &cause);
    }
    assert_refused(&sandbox, settings.train("file"), &["file exists already"]);

    let locked = sandbox.path("locked");
    std::fs::create_dir(&locked).expect("a folder");
    let mut permissions = std::fs::metadata(&locked).expect("it exists").permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&locked, permissions).expect("own folder");
    // An administrator writes anywhere.
    if std::fs::write(locked.join("probe"), "").is_err() {
        let cause = ["cannot make the run folder", "locked/run", "--out"];
        assert_refused(&sandbox, settings.train("locked/run"), &cause);
    }
}

#[test]
fn existing_run_is_overwritten() {
    let sandbox = sandbox!();
    let settings = Settings::small();
    sandbox.run(settings.train_until("run", 4)).expect_success();
    let cause = ["run exists already", "dacapo resume run", "--out"];
    assert_refused(&sandbox, settings.train("run"), &cause);
    std::fs::create_dir(sandbox.path("empty")).expect("a folder");
    assert_refused(&sandbox, settings.train("empty"), &["empty exists already"]);
}

#[test]
fn folder_without_a_run_is_resumed() {
    let sandbox = sandbox!();
    std::fs::create_dir(sandbox.path("empty")).expect("a folder");
    std::fs::write(sandbox.path("file"), "mine").expect("written");
    for name in ["empty", "file", "absent"] {
        let cause = ["no run folder", "dacapo train"];
        assert_refused(&sandbox, ["resume", name], &[cause[0], cause[1], name]);
    }
    assert_refused(
        &sandbox,
        ["inspect", "empty"],
        &["no run folder", "dacapo train"],
    );
    assert_refused(&sandbox, ["inspect", "absent"], &["absent", "no such file"]);
    assert_refused(&sandbox, ["inspect", "file"], &["file", "checkpoint"]);
    assert_refused(
        &sandbox,
        ["verify", "file", "file"],
        &["file", "checkpoint"],
    );
    assert_refused(&sandbox, ["verify", "absent", "absent"], &["absent"]);
}
