//! Atomic commits under failing operations and power cuts.

mod common;

use std::path::Path;

use common::{Cut, FaultyStorage};
use dacapo_record::{CheckpointStore, FsStorage, RecordError, Storage, commit};

const OLD: &[u8] = b"the previous checkpoint";
const NEW: &[u8] = b"the next checkpoint, somewhat longer";

fn target() -> &'static Path {
    Path::new("run/checkpoints/a.mpk")
}

/// The operations of a commit that works.
fn calls(stale: bool) -> Vec<String> {
    let storage = FaultyStorage::with(target(), OLD);
    if stale {
        storage
            .write_new(Path::new("run/checkpoints/.a.mpk.tmp"), b"stale")
            .expect("works");
    }
    storage.die_at(usize::MAX);
    commit(&storage, target(), NEW).expect("works");
    storage.calls()
}

#[test]
fn rename_precedes_the_sync_of_the_content() {
    let expected = ["exists", "write_new", "sync_file", "rename", "sync_dir"];
    assert_eq!(calls(false), expected);
    let expected = [
        "exists",
        "remove",
        "write_new",
        "sync_file",
        "rename",
        "sync_dir",
    ];
    assert_eq!(calls(true), expected);
}

#[test]
fn failing_operation_harms_the_previous_file() {
    let operations = calls(false);
    for (at, operation) in operations.iter().enumerate() {
        let storage = FaultyStorage::with(target(), OLD);
        storage.fail_at(at);
        let error = commit(&storage, target(), NEW).expect_err("an injected failure");
        assert!(matches!(error, RecordError::Io { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains(&format!("injected into {operation}")),
            "{error}"
        );
        assert!(error.to_string().contains("run/checkpoints"), "{error}");
        // Only the last operation comes after the new file is in place.
        let expected = if operation == "sync_dir" { NEW } else { OLD };
        assert_eq!(
            storage.read(target()).expect("whole"),
            expected,
            "{operation}"
        );
        assert_eq!(
            storage.files(),
            [target()],
            "{operation} left its temporary file"
        );
    }
}

#[test]
fn power_cut_leaves_half_a_file() {
    for stale in [false, true] {
        for at in 0..=calls(stale).len() {
            for cut in [Cut::LosesNames, Cut::KeepsNames] {
                let storage = FaultyStorage::with(target(), OLD);
                if stale {
                    let temporary = Path::new("run/checkpoints/.a.mpk.tmp");
                    storage.write_new(temporary, b"stale").expect("works");
                }
                storage.die_at(at);
                let outcome = commit(&storage, target(), NEW);
                let after = storage.after_power_cut(cut);
                let content = after.read(target()).expect("a whole file");
                if outcome.is_ok() {
                    assert_eq!(content, NEW, "{cut:?} after success");
                } else {
                    assert!(
                        content == OLD || content == NEW,
                        "{cut:?} at {at}: {content:?}"
                    );
                }
                // Whatever was left behind must not stop the next commit.
                commit(&after, target(), b"third").expect("works");
                assert_eq!(after.read(target()).expect("whole"), b"third");
                assert_eq!(after.files(), [target()]);
            }
        }
    }
}

#[test]
fn pointer_names_a_checkpoint_that_a_power_cut_took() {
    // Saving, then pointing, cut off at every operation of both.
    for at in 0..40 {
        for cut in [Cut::LosesNames, Cut::KeepsNames] {
            let storage = FaultyStorage::default();
            storage.die_at(at);
            let store = CheckpointStore::new("run", &storage);
            let outcome = store
                .save("a", b"payload".to_vec())
                .and_then(|_| store.set_pointer("latest", "a"));
            let after = CheckpointStore::new("run", storage.after_power_cut(cut));
            let pointer = after.pointer("latest").expect("whole, and not dangling");
            if outcome.is_ok() {
                assert_eq!(pointer.as_deref(), Some("a"));
            }
            if let Some(name) = pointer {
                assert_eq!(after.load(&name).expect("whole"), b"payload");
            }
        }
    }
}

#[test]
fn failing_pointer_update_loses_the_pointer() {
    for at in 0..8 {
        let storage = FaultyStorage::default();
        let store = CheckpointStore::new("run", &storage);
        store.save("a", b"1".to_vec()).expect("works");
        store.save("b", b"2".to_vec()).expect("works");
        store.set_pointer("latest", "a").expect("works");
        storage.fail_at(at);
        let outcome = store.set_pointer("latest", "b");
        storage.fail_at(usize::MAX);
        let name = store.pointer("latest").expect("whole").expect("set");
        assert!(
            name == "b" || (name == "a" && outcome.is_err()),
            "at {at}: {name}"
        );
    }
}

#[test]
fn real_file_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.mpk");
    commit(&FsStorage, &path, OLD).expect("works");
    std::fs::write(folder.path().join(".a.mpk.tmp"), b"stale").expect("works");
    commit(&FsStorage, &path, NEW).expect("works");
    assert_eq!(std::fs::read(&path).expect("there"), NEW);
    assert_eq!(FsStorage.list(folder.path()).expect("works"), ["a.mpk"]);
}

#[test]
fn unwritable_target_is_an_unclear_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = commit(&FsStorage, &folder.path().join("none/a.mpk"), NEW).expect_err("no folder");
    let text = error.to_string();
    assert!(
        text.contains("none") && text.contains("Check that the folder exists"),
        "{text}"
    );

    // A folder in the target's place: the rename fails, the temporary file goes.
    let path = folder.path().join("a.mpk");
    std::fs::create_dir(&path).expect("works");
    let error = commit(&FsStorage, &path, NEW).expect_err("a folder");
    assert!(error.to_string().contains("rename"), "{error}");
    assert_eq!(FsStorage.list(folder.path()).expect("works"), ["a.mpk"]);

    assert!(commit(&FsStorage, Path::new("/"), NEW).is_err());
}
