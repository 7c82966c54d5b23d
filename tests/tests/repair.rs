//! `dacapo repair`: what is damaged is moved away, what is whole is used, nothing is deleted
//! unasked, and the run that goes on ends in the same bits.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use dacapo_tests::{Finished, Sandbox, Settings, assert_same_run, sandbox};

/// The run `run`, stopped after 7 of 9 steps with all of its checkpoints, and `whole`, which
/// was never stopped.
fn stopped() -> Sandbox {
    let sandbox = sandbox!();
    let settings = Settings::small()
        .set("checkpoint.every_steps", 1)
        .set("checkpoint.keep_last", 9);
    sandbox.run(settings.train("whole")).expect_success();
    sandbox.run(settings.train_until("run", 7)).expect_success();
    sandbox
}

fn checkpoint(sandbox: &Sandbox, name: &str) -> PathBuf {
    sandbox.path(format!("run/checkpoints/{name}.mpk"))
}

/// Turns one bit over.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).expect("written");
}

/// Every file of the run but the lock's, with its content.
fn files(sandbox: &Sandbox) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(folder: &Path, out: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => collect(&path, out),
                false if path.ends_with("lock") => {}
                false => {
                    out.insert(path.clone(), fs::read(path).expect("a file"));
                }
            }
        }
    }
    let mut out = BTreeMap::new();
    collect(&sandbox.path("run"), &mut out);
    out
}

/// Looks first, which changes nothing; then repairs; then there is nothing left to do, and the
/// run ends like the whole one. Nothing that was there is gone.
#[track_caller]
fn repair_and_resume(sandbox: &Sandbox) -> Finished {
    let before = files(sandbox);
    let looked = sandbox.run(["repair", "run", "--dry-run"]).expect_code(1);
    assert!(looked.out.contains("nothing was changed"), "{}", looked.out);
    assert_eq!(files(sandbox), before, "a dry run changed something");

    let repaired = sandbox.run(["repair", "run"]).expect_success();
    assert!(
        repaired.out.contains("nothing was deleted"),
        "{}",
        repaired.out
    );
    let after = files(sandbox);
    let contents: Vec<_> = after.values().collect();
    for (path, content) in &before {
        let rewritten = ["latest", "best", "history.csv"]
            .iter()
            .any(|name| path.ends_with(name));
        assert!(
            rewritten || contents.contains(&content),
            "{} is lost",
            path.display()
        );
    }
    let again = sandbox.run(["repair", "run", "--dry-run"]).expect_code(0);
    assert!(!again.out.contains("moved"), "{}", again.out);
    sandbox.run(["resume", "run"]).expect_success();
    assert_same_run(&sandbox.path("run"), &sandbox.path("whole"));
    repaired
}

#[test]
fn sound_run_is_changed() {
    let sandbox = stopped();
    let before = files(&sandbox);
    let told = sandbox.run(["repair", "run"]).expect_success().out;
    assert!(told.contains("nothing is wrong"), "{told}");
    assert_eq!(files(&sandbox), before);
    let json = sandbox
        .run(["repair", "run", "--json"])
        .expect_success()
        .json();
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(0));
    assert_eq!(json["step"], 7);
}

#[test]
fn damaged_latest_checkpoint_ends_the_run() {
    let sandbox = stopped();
    damage(&checkpoint(&sandbox, "step-00000007"));
    damage(&checkpoint(&sandbox, "epoch-0002-step-00000006"));
    let refused = sandbox.run(["resume", "run"]).expect_code(2).err;
    assert!(refused.contains("dacapo repair"), "{refused}");
    let repaired = repair_and_resume(&sandbox).out;
    for word in [
        "the newest is step-00000005",
        "checkpoints/step-00000007.mpk",
        "the payload is damaged",
        "moved to damaged/",
        "now names step-00000005",
    ] {
        assert!(repaired.contains(word), "{word} is not in\n{repaired}");
    }
    assert!(sandbox.path("run/damaged/step-00000007.mpk").exists());
}

#[test]
fn pointer_without_a_target_ends_the_run() {
    for (pointer, content) in [
        ("latest", "step-00000099.mpk\n"),
        ("latest", "\0\0\0"),
        ("best", ""),
        ("best", "epoch-0099-step-00000999.mpk\n"),
    ] {
        let sandbox = stopped();
        fs::write(sandbox.path("run").join(pointer), content).expect("written");
        let repaired = repair_and_resume(&sandbox).out;
        assert!(repaired.contains(pointer), "{repaired}");
    }
    let sandbox = stopped();
    fs::remove_file(sandbox.path("run/latest")).expect("there");
    fs::remove_file(sandbox.path("run/best")).expect("there");
    repair_and_resume(&sandbox);
    // A folder in its place is moved away like a file.
    let sandbox = stopped();
    fs::remove_file(sandbox.path("run/latest")).expect("there");
    fs::create_dir(sandbox.path("run/latest")).expect("made");
    repair_and_resume(&sandbox);
}

#[test]
fn lost_best_checkpoint_is_named_for_ever() {
    let sandbox = stopped();
    let best = sandbox.latest("run").early_stopping.best_checkpoint;
    let best = best.expect("an epoch has ended");
    damage(&checkpoint(&sandbox, &best));
    repair_and_resume(&sandbox);
}

#[test]
fn lost_configuration_ends_the_run() {
    let sandbox = stopped();
    let path = sandbox.path("run/config.toml");
    let config = fs::read_to_string(&path).expect("there");
    fs::remove_file(&path).expect("there");
    fs::remove_file(sandbox.path("run/history.csv")).expect("there");
    let refused = sandbox.run(["resume", "run"]).expect_code(2).err;
    assert!(refused.contains("dacapo repair"), "{refused}");
    let repaired = repair_and_resume(&sandbox).out;
    assert!(repaired.contains("config.toml"), "{repaired}");
    let written = fs::read_to_string(&path).expect("written");
    let table = |text: &str| text.parse::<toml::Table>().expect("TOML");
    let (mut before, mut after) = (table(&config), table(&written));
    for table in [&mut before, &mut after] {
        table.remove("checkpoint");
    }
    assert_eq!(before, after);
}

#[test]
fn file_is_deleted_unasked_or_kept_though_told() {
    let sandbox = stopped();
    let unfinished = sandbox.path("run/checkpoints/.step-00000008.mpk.tmp");
    fs::write(&unfinished, "half").expect("written");
    damage(&checkpoint(&sandbox, "step-00000007"));
    sandbox.run(["repair", "run"]).expect_success();
    assert!(unfinished.exists());
    assert!(sandbox.path("run/damaged/step-00000007.mpk").exists());

    damage(&checkpoint(&sandbox, "step-00000005"));
    let told = sandbox
        .run(["repair", "run", "--delete"])
        .expect_success()
        .out;
    assert!(told.contains("deleted"), "{told}");
    assert!(!unfinished.exists());
    assert!(!checkpoint(&sandbox, "step-00000005").exists());
    assert!(!sandbox.path("run/damaged/step-00000005.mpk").exists());
    // What an earlier repair has put aside is not this one's.
    assert!(sandbox.path("run/damaged/step-00000007.mpk").exists());
    sandbox.run(["resume", "run"]).expect_success();
    assert_same_run(&sandbox.path("run"), &sandbox.path("whole"));
}

#[test]
fn run_beyond_repair_is_called_mended() {
    let sandbox = stopped();
    for entry in fs::read_dir(sandbox.path("run/checkpoints")).expect("there") {
        damage(&entry.expect("an entry").path());
    }
    let before = files(&sandbox);
    let refused = sandbox.run(["repair", "run"]).expect_code(2).err;
    for word in [
        "no whole checkpoint",
        "step-00000003",
        "the payload is damaged",
        "backup",
    ] {
        assert!(refused.contains(word), "{word} is not in\n{refused}");
    }
    assert_eq!(files(&sandbox), before);

    fs::create_dir(sandbox.path("else")).expect("made");
    let refused = sandbox.run(["repair", "else"]).expect_code(2).err;
    assert!(refused.contains("no run folder"), "{refused}");
}

#[test]
fn file_of_a_later_dacapo_counts_as_damaged() {
    let sandbox = stopped();
    let path = checkpoint(&sandbox, "step-00000007");
    let mut bytes = fs::read(&path).expect("there");
    let trailer = bytes.len() - 80;
    bytes[trailer + 8] = 9;
    bytes[trailer + 14] = 7;
    let check = blake3::hash(&bytes[trailer + 8..trailer + 64]);
    bytes[trailer + 64..].copy_from_slice(&check.as_bytes()[..16]);
    fs::write(&path, bytes).expect("written");
    for command in ["repair", "resume"] {
        let refused = sandbox.run([command, "run"]).expect_code(2).err;
        assert!(refused.contains("dacapo 0.7.0 or later"), "{refused}");
        assert!(path.exists());
    }
}
