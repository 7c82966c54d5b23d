//! What one follows a run by goes on without doubled or missing lines.

use std::fs;

use dacapo::trainer::RunFolder;
use dacapo_tests::{Sandbox, Settings, sandbox};
use serde_json::Value;

fn events(sandbox: &Sandbox, run: &str, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.path(run).join("events.jsonl")).expect("a log");
    let events = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let mut events: Vec<Value> = events
        .filter(|event: &Value| event["event"] == kind)
        .collect();
    for event in &mut events {
        event
            .as_object_mut()
            .expect("an object")
            .remove("unix_ms")
            .expect("a time");
    }
    events
}

/// The records of the run's file for TensorBoard, without their times and checksums.
fn board(sandbox: &Sandbox, run: &str) -> Vec<Vec<u8>> {
    let path = sandbox
        .path(run)
        .join("tensorboard/events.out.tfevents.dacapo");
    let bytes = fs::read(path).expect("a file");
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        let size = u64::from_le_bytes(rest[..8].try_into().expect("eight")) as usize;
        // Length and its sum, then a key and a double.
        records.push(rest[12 + 9..12 + size].to_vec());
        rest = &rest[12 + size + 4..];
    }
    records
}

#[track_caller]
fn assert_followed_alike(sandbox: &Sandbox, a: &str, b: &str) {
    assert_eq!(events(sandbox, a, "epoch"), events(sandbox, b, "epoch"));
    assert_eq!(board(sandbox, a), board(sandbox, b));
    assert_eq!(sandbox.history(a), sandbox.history(b));
}

#[test]
fn line_is_doubled_or_missing_after_a_stop() {
    let sandbox = sandbox!();
    let settings = Settings::small();
    sandbox.run(settings.train("whole")).expect_code(0);
    assert_eq!(events(&sandbox, "whole", "epoch").len(), 3);
    // And the file's version.
    assert_eq!(board(&sandbox, "whole").len(), 4);
    let second = &board(&sandbox, "whole")[2];
    for tag in ["train_loss", "valid_loss", "valid_accuracy", "lr"] {
        let found = second.windows(tag.len()).any(|part| part == tag.as_bytes());
        assert!(found, "no {tag} for TensorBoard");
    }

    sandbox
        .run(settings.train_until("halves", 4))
        .expect_code(0);
    sandbox
        .run(["resume", "halves", "--stop-after-step", "6"])
        .expect_code(0);
    sandbox.run(["resume", "halves"]).expect_code(0);
    assert_followed_alike(&sandbox, "whole", "halves");
    assert_eq!(events(&sandbox, "halves", "resume").len(), 2);
}

/// As after a power loss: what was told since the last checkpoint happens again.
#[test]
fn line_of_lost_steps_stays() {
    let sandbox = sandbox!();
    let settings = Settings::small();
    sandbox.run(settings.train("whole")).expect_code(0);
    sandbox.run(settings.train("lost")).expect_code(0);
    let root = sandbox.path("lost");
    let names = RunFolder::new(&root).checkpoints().expect("listed");
    let first = &names
        .iter()
        .find(|(epoch, ..)| *epoch == Some(1))
        .expect("kept")
        .2;
    fs::write(root.join("latest"), format!("{first}.mpk\n")).expect("written");
    // And half a line, half a record.
    for (name, torn) in [
        ("events.jsonl", &b"{\"unix_ms\": 1, \"ev"[..]),
        ("tensorboard/events.out.tfevents.dacapo", &[9, 0, 0][..]),
    ] {
        let mut bytes = fs::read(root.join(name)).expect("a file");
        bytes.extend(torn);
        fs::write(root.join(name), bytes).expect("written");
    }
    sandbox.run(["resume", "lost"]).expect_code(0);
    assert_followed_alike(&sandbox, "whole", "lost");

    // A file that is gone is made again from the history.
    sandbox.run(settings.train_until("gone", 7)).expect_code(0);
    fs::remove_dir_all(sandbox.path("gone/tensorboard")).expect("removed");
    sandbox.run(["resume", "gone"]).expect_code(0);
    assert_followed_alike(&sandbox, "whole", "gone");
}

/// A branch's curve begins where its parent's did.
#[test]
fn branch_is_followed_from_its_middle() {
    let sandbox = sandbox!();
    sandbox.run(Settings::small().train("whole")).expect_code(0);
    sandbox
        .run(["fork", "whole", "--at", "2", "--out", "branch"])
        .expect_code(0);
    sandbox.run(["resume", "branch"]).expect_code(0);
    assert_eq!(board(&sandbox, "whole"), board(&sandbox, "branch"));
    assert_eq!(events(&sandbox, "branch", "fork").len(), 1);
}
