//! Atomic commits under operations that go wrong and power cuts.

use std::path::Path;

use dacapo_faults::{Fault, FaultyDisk};
use dacapo_record::{CheckpointStore, FsStorage, RecordError, Storage, commit};

const OLD: &[u8] = b"the previous checkpoint";
const NEW: &[u8] = b"the next checkpoint, somewhat longer";

fn target() -> &'static Path {
    Path::new("/run/checkpoints/a.mpk")
}

/// A disk with the previous file, and perhaps what a crash left.
fn disk(stale: bool) -> FaultyDisk {
    let disk = FaultyDisk::default();
    let folder = target().parent().expect("a folder");
    dacapo_record::create_folder(&disk, folder).expect("works");
    commit(&disk, target(), OLD).expect("works");
    if stale {
        let temporary = Path::new("/run/checkpoints/.a.mpk.tmp");
        disk.write_new(temporary, b"stale").expect("works");
    }
    disk.mend();
    disk
}

/// The operations of a commit that works.
fn calls(stale: bool) -> Vec<String> {
    let disk = disk(stale);
    commit(&disk, target(), NEW).expect("works");
    let calls = disk.calls();
    let words = calls.iter().filter_map(|call| call.split(' ').next());
    words.map(str::to_owned).collect()
}

#[test]
fn rename_precedes_the_sync_of_the_content() {
    let expected = [
        "entry",
        "write_new",
        "sync_file",
        "holds",
        "rename",
        "entry",
        "sync_dir",
    ];
    assert_eq!(calls(false), expected);
    let expected = [
        "entry",
        "remove",
        "write_new",
        "sync_file",
        "holds",
        "rename",
        "entry",
        "sync_dir",
    ];
    assert_eq!(calls(true), expected);
}

#[test]
fn failing_operation_harms_the_previous_file() {
    for fault in Fault::ALL {
        for (at, operation) in calls(false).iter().enumerate() {
            let disk = disk(false);
            disk.inject(at, fault);
            let outcome = commit(&disk, target(), NEW);
            disk.mend();
            let place = format!("{fault:?} in {operation}: {outcome:?}");
            let content = disk.read(target()).expect("whole");
            assert!(content == OLD || content == NEW, "{place}");
            let error = match outcome {
                // A lie about the last steps cannot be told from the truth.
                Ok(()) => continue,
                Err(error) => error,
            };
            if let RecordError::Io { source, .. } = &error {
                let text = error.to_string();
                assert!(text.contains("run/checkpoints"), "{text}");
                if fault == Fault::Full {
                    assert!(text.contains("Free some space"), "{text}");
                }
                let source = source.to_string();
                assert!(
                    source.contains("injected into") || source.contains("reported as done"),
                    "{text}"
                );
            } else {
                assert!(matches!(error, RecordError::Unfaithful { .. }), "{place}");
            }
            // What failed before the renaming is not followed by it.
            if at < 4 {
                assert_eq!(content, OLD, "{place}");
            }
            if !matches!(fault, Fault::Die) {
                assert_eq!(disk.files(), [target()], "{place} left its temporary file");
            }
        }
    }
}

#[test]
fn file_system_that_lies_about_a_write_is_believed() {
    for fault in [Fault::Drop, Fault::TearSilently] {
        let disk = disk(false);
        disk.inject(1, fault);
        let error = commit(&disk, target(), NEW).expect_err("half a file");
        assert!(
            matches!(error, RecordError::Unfaithful { length, .. } if length == NEW.len()),
            "{error}"
        );
    }
}

#[test]
fn power_cut_leaves_half_a_file() {
    for stale in [false, true] {
        for at in 0..=calls(stale).len() {
            let disk = disk(stale);
            disk.inject(at, Fault::Die);
            let outcome = commit(&disk, target(), NEW);
            for after in disk.after_power_cuts() {
                let content = after.read(target()).expect("a whole file");
                match outcome {
                    Ok(()) => assert_eq!(content, NEW),
                    Err(_) => assert!(content == OLD || content == NEW, "at {at}: {content:?}"),
                }
                // Whatever was left behind must not stop the next commit.
                commit(&after, target(), b"third").expect("works");
                assert_eq!(after.read(target()).expect("whole"), b"third");
                assert_eq!(after.files(), [target()]);
            }
        }
    }
}

/// Saves, then points, in a run folder that is not there yet.
fn first_commit(disk: &FaultyDisk) -> Result<(), RecordError> {
    let store = CheckpointStore::new("/runs/run", disk);
    store.save("a", b"payload".to_vec())?;
    store.set_pointer("latest", "a")
}

#[test]
fn pointer_names_a_checkpoint_that_a_power_cut_took() {
    let whole = FaultyDisk::default();
    first_commit(&whole).expect("works");
    for at in 0..=whole.calls().len() {
        let disk = FaultyDisk::default();
        disk.inject(at, Fault::Die);
        let outcome = first_commit(&disk);
        for after in disk.after_power_cuts() {
            let after = CheckpointStore::new("/runs/run", after);
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
    let prepared = || {
        let disk = FaultyDisk::default();
        let store = CheckpointStore::new("/run", &disk);
        store.save("a", b"1".to_vec()).expect("works");
        store.save("b", b"2".to_vec()).expect("works");
        store.set_pointer("latest", "a").expect("works");
        disk.mend();
        disk
    };
    let whole = prepared();
    let store = CheckpointStore::new("/run", &whole);
    store.set_pointer("latest", "b").expect("works");
    for fault in Fault::ALL {
        for at in 0..whole.calls().len() {
            let disk = prepared();
            disk.inject(at, fault);
            let store = CheckpointStore::new("/run", &disk);
            let outcome = store.set_pointer("latest", "b");
            disk.mend();
            let name = store.pointer("latest").expect("whole").expect("set");
            assert!(
                name == "b" || (name == "a" && outcome.is_err()),
                "{fault:?} at {at}: {name}"
            );
        }
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
