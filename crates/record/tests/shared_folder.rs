//! A run folder that others have their hands in: links, pipes, a second process, branches.

use std::fs;

use dacapo_record::{CheckpointStore, FsStorage, RecordError};
use tempfile::TempDir;

fn store() -> (TempDir, CheckpointStore<FsStorage>) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = CheckpointStore::new(folder.path().join("run"), FsStorage);
    store.save("a", vec![1, 2, 3]).expect("works");
    store.save("b", vec![4, 5, 6]).expect("works");
    store.set_pointer("latest", "b").expect("works");
    (folder, store)
}

#[track_caller]
fn assert_irregular(outcome: Result<impl std::fmt::Debug, RecordError>, place: &str, found: &str) {
    let error = outcome.expect_err("refused");
    let text = error.to_string();
    assert!(
        matches!(error, RecordError::Irregular { .. })
            && text.contains(place)
            && text.contains(found),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn link_leads_out_of_the_run_folder() {
    use std::os::unix::fs::symlink;

    let (folder, store) = store();
    let outside = folder.path().join("outside");
    let run = store.run_dir().to_owned();
    let link = "a symbolic link";

    // A checkpoint elsewhere, whole as it is.
    fs::rename(run.join("checkpoints/a.mpk"), &outside).expect("works");
    symlink(&outside, run.join("checkpoints/a.mpk")).expect("works");
    assert_irregular(store.load("a"), "a.mpk", link);
    assert_irregular(store.remove("a"), "a.mpk", link);
    assert_irregular(store.set_pointer("latest", "a"), "a.mpk", link);
    assert!(outside.exists());

    fs::rename(run.join("latest"), &outside).expect("works");
    symlink(&outside, run.join("latest")).expect("works");
    assert_irregular(store.pointer("latest"), "latest", link);

    symlink(&outside, run.join("lock")).expect("works");
    assert_irregular(store.lock("me").map(drop), "lock", link);

    symlink(folder.path(), run.join("pins")).expect("works");
    assert_irregular(store.pins(), "pins", link);
    assert_irregular(store.remove("b"), "latest", link);

    fs::rename(run.join("checkpoints"), folder.path().join("c")).expect("works");
    symlink(folder.path().join("c"), run.join("checkpoints")).expect("works");
    assert_irregular(store.list(), "checkpoints", link);
    assert_irregular(store.load("b"), "checkpoints", link);
    assert_irregular(store.save("c", vec![7]), "checkpoints", link);
}

#[cfg(unix)]
#[test]
fn link_to_the_run_folder_itself_is_refused() {
    // Whoever gives the path chooses it.
    let (folder, _store) = store();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("run"), &link).expect("works");
    let store = CheckpointStore::new(&link, FsStorage);
    assert_eq!(store.load("a").expect("whole"), [1, 2, 3]);
    store.save("c", vec![7]).expect("works");
}

#[cfg(unix)]
#[test]
fn pipe_is_waited_for() {
    let (_folder, store) = store();
    let path = store.path("a").expect("a name");
    fs::remove_file(&path).expect("works");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo is there").success());
    assert_irregular(store.load("a"), "a.mpk", "a pipe");
    let error = dacapo_record::read_sealed(&FsStorage, &path).expect_err("refused");
    assert!(error.to_string().contains("no regular file"), "{error}");
}

#[test]
fn folder_in_the_place_of_a_file_gives_a_riddle() {
    let (_folder, store) = store();
    fs::create_dir(store.run_dir().join("best")).expect("works");
    assert_irregular(store.pointer("best"), "best", "a folder");
    fs::create_dir(store.path("c").expect("a name")).expect("works");
    assert_irregular(store.load("c"), "c.mpk", "a folder");
}

#[test]
fn two_hold_one_run_folder() {
    let (_folder, store) = store();
    let held = store.lock("process 12 on here").expect("free");
    for _ in 0..2 {
        let error = store.lock("process 13 on here").expect_err("held");
        let text = error.to_string();
        assert!(matches!(error, RecordError::Locked { .. }), "{text}");
        for word in ["run", "process 12 on here", "Nothing was changed"] {
            assert!(text.contains(word), "{text}");
        }
    }
    // Reading needs no lock.
    assert_eq!(store.load("a").expect("whole"), [1, 2, 3]);
    drop(held);
    drop(store.lock("process 13 on here").expect("free again"));
    assert_eq!(fs::read(store.run_dir().join("lock")).expect("there"), b"");
}

#[cfg(unix)]
#[test]
fn removed_or_renamed_folder_goes_unnoticed() {
    let (folder, store) = store();
    let held = store.lock("me").expect("free");
    assert!(held.is_in_place().expect("told"));
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(store.run_dir(), &elsewhere).expect("works");
    assert!(!held.is_in_place().expect("told"));
    // It is not made anew; and another folder of the same name is not it.
    store.save("a", vec![]).expect_err("gone");
    assert!(!store.run_dir().exists());
    fs::create_dir(store.run_dir()).expect("works");
    fs::write(store.run_dir().join("lock"), "").expect("works");
    assert!(!held.is_in_place().expect("told"));
    fs::remove_dir_all(store.run_dir()).expect("works");
    fs::rename(&elsewhere, store.run_dir()).expect("works");
    assert!(held.is_in_place().expect("told"));
}

#[test]
fn pinned_checkpoint_is_removed() {
    let (_folder, store) = store();
    store.pin("a", "branch-1", "/runs/branch 1").expect("works");
    store.pin("a", "branch-2", "/runs/branch 2").expect("works");
    let pins = store.pins().expect("readable");
    let told: Vec<_> = pins
        .iter()
        .map(|pin| (&*pin.checkpoint, &*pin.by, &*pin.note))
        .collect();
    assert_eq!(
        told,
        [
            ("a", "branch-1", "/runs/branch 1"),
            ("a", "branch-2", "/runs/branch 2")
        ]
    );
    for pin in ["branch-1", "branch-2"] {
        let error = store.remove("a").expect_err("pinned");
        let file = format!("pins/a@{pin}");
        assert!(error.to_string().contains(&file), "{error}");
        fs::remove_file(store.run_dir().join(file)).expect("works");
    }
    store.remove("a").expect("nothing refers to it any more");
    for (name, by) in [("none", "x"), ("b", "../x"), ("b", ""), ("b", "x@y")] {
        store
            .pin(name, by, "")
            .expect_err("no such checkpoint, no such name");
    }
}

#[test]
fn file_set_aside_replaces_an_earlier_one() {
    let (_folder, store) = store();
    let path = store.path("a").expect("a name");
    let mut places = Vec::new();
    for byte in 0..3 {
        fs::write(&path, [byte]).expect("works");
        places.push(store.set_aside(&path).expect("works"));
        assert!(!path.exists());
    }
    for (byte, place) in (0..3).zip(&places) {
        assert_eq!(fs::read(place).expect("kept"), [byte]);
    }
    assert!(places[2].ends_with("damaged/a.mpk.2"), "{places:?}");
}
