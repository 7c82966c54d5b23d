//! The run folder: checkpoints and pointers.

use std::fs;
use std::path::Path;

use dacapo_record::{CheckpointStore, FsStorage, RecordError};
use tempfile::TempDir;

fn store() -> (TempDir, CheckpointStore<FsStorage>) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = CheckpointStore::new(folder.path().join("run"), FsStorage);
    (folder, store)
}

#[test]
fn checkpoint_comes_back_changed() {
    let (_folder, store) = store();
    assert_eq!(store.list().expect("no run yet"), Vec::<String>::new());
    let path = store.save("step-000001", vec![1, 2, 3]).expect("works");
    assert_eq!(path, store.run_dir().join("checkpoints/step-000001.mpk"));
    store.save("epoch-2.5", vec![]).expect("works");
    assert_eq!(store.load("step-000001").expect("works"), [1, 2, 3]);
    assert_eq!(store.load("epoch-2.5").expect("works"), []);
    store.save("step-000001", vec![4]).expect("replaces");
    assert_eq!(store.load("step-000001").expect("works"), [4]);
    assert_eq!(store.list().expect("works"), ["epoch-2.5", "step-000001"]);
}

#[test]
fn leftovers_are_listed_as_checkpoints() {
    let (_folder, store) = store();
    store.save("a", vec![]).expect("works");
    let checkpoints = store.run_dir().join("checkpoints");
    for other in [".b.mpk.tmp", ".hidden.mpk", "notes.txt", "mpk", ".mpk"] {
        fs::write(checkpoints.join(other), b"").expect("works");
    }
    assert_eq!(store.list().expect("works"), ["a"]);
}

#[test]
fn name_leaves_the_folder() {
    let (_folder, store) = store();
    let long = "a".repeat(129);
    let names = [
        "", ".", "..", "../a", "a/b", "a\\b", "/a", "a..b", ".a", "a.", "a b", "a\0", "é", "a.mpk",
        "C:a", &long,
    ];
    for name in names {
        let outcomes = [
            store.save(name, vec![]).map(drop),
            store.load(name).map(drop),
            store.remove(name),
            store.set_pointer("latest", name),
        ];
        for outcome in outcomes {
            let error = outcome.expect_err(name);
            assert!(matches!(error, RecordError::InvalidName { .. }), "{error}");
        }
    }
    assert!(!store.run_dir().exists());
}

#[test]
fn damaged_checkpoint_is_loaded() {
    let (_folder, store) = store();
    let path = store.save("a", vec![7; 100]).expect("works");
    let mut bytes = fs::read(&path).expect("there");
    bytes[50] ^= 1;
    fs::write(&path, &bytes).expect("works");
    let error = store.load("a").expect_err("damaged");
    assert!(
        matches!(
            error,
            RecordError::Corrupt {
                part: "payload",
                ..
            }
        ),
        "{error}"
    );
    let error = store.load("b").expect_err("missing");
    assert!(matches!(error, RecordError::Missing { .. }), "{error}");
}

#[test]
fn pointer_names_another_checkpoint() {
    let (_folder, store) = store();
    assert_eq!(store.pointer("latest").expect("not set"), None);
    store.save("a", vec![]).expect("works");
    store.save("b", vec![]).expect("works");
    store.set_pointer("latest", "b").expect("works");
    store.set_pointer("best", "a").expect("works");
    assert_eq!(store.pointer("latest").expect("set").as_deref(), Some("b"));
    assert_eq!(store.pointer("best").expect("set").as_deref(), Some("a"));
    let content = fs::read_to_string(store.run_dir().join("latest")).expect("there");
    assert_eq!(content, "b.mpk\n");
}

#[test]
fn pointer_of_any_name_is_accepted() {
    let (_folder, store) = store();
    store.save("a", vec![]).expect("works");
    for outcome in [
        store.set_pointer("history.csv", "a"),
        store.pointer("../latest").map(drop),
    ] {
        let error = outcome.expect_err("another name");
        assert!(
            matches!(error, RecordError::UnknownPointer { .. }),
            "{error}"
        );
    }
}

#[test]
fn pointer_is_set_to_nothing() {
    let (_folder, store) = store();
    store.save("a", vec![]).expect("works");
    let error = store
        .set_pointer("latest", "b")
        .expect_err("no such checkpoint");
    assert!(matches!(error, RecordError::Missing { .. }), "{error}");
    assert_eq!(store.pointer("latest").expect("not set"), None);
}

#[test]
fn dangling_pointer_is_followed() {
    let (_folder, store) = store();
    let path = store.save("a", vec![]).expect("works");
    store.set_pointer("best", "a").expect("works");
    fs::remove_file(path).expect("works");
    let error = store.pointer("best").expect_err("dangling");
    assert!(
        matches!(&error, RecordError::DanglingPointer { path, target }
            if path.ends_with("best") && target == "a.mpk"),
        "{error}"
    );
}

#[test]
fn malformed_pointer_is_followed() {
    let (_folder, store) = store();
    store.save("a", vec![]).expect("works");
    let file = store.run_dir().join("latest");
    let contents: [&[u8]; 9] = [
        b"",
        b"\n",
        b"a",
        b"../a.mpk\n",
        b"/a.mpk\n",
        b"a.mpk\nb.mpk\n",
        b" a.mpk\n",
        b"\xff.mpk\n",
        &[b'a'; 100_000],
    ];
    for content in contents {
        fs::write(&file, content).expect("works");
        let error = store.pointer("latest").expect_err("malformed");
        assert!(
            matches!(error, RecordError::MalformedPointer { .. }),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.contains("latest") && text.len() < 500, "{text}");
    }
    for content in ["a.mpk", "a.mpk\n", "a.mpk\r\n"] {
        fs::write(&file, content).expect("works");
        assert_eq!(store.pointer("latest").expect("good").as_deref(), Some("a"));
    }
}

#[test]
fn referenced_checkpoint_is_removed() {
    let (_folder, store) = store();
    for name in ["a", "b", "c"] {
        store.save(name, vec![]).expect("works");
    }
    store.set_pointer("latest", "b").expect("works");
    store.set_pointer("best", "a").expect("works");
    for (name, pointer) in [("a", "best"), ("b", "latest")] {
        let error = store.remove(name).expect_err("referenced");
        let text = error.to_string();
        assert!(text.contains(&format!("`{pointer}` does")), "{text}");
    }
    store.remove("c").expect("works");
    assert_eq!(store.list().expect("works"), ["a", "b"]);
    let error = store.remove("c").expect_err("gone");
    assert!(matches!(error, RecordError::Missing { .. }), "{error}");
}

#[test]
fn unusable_run_folder_is_an_unclear_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, b"").expect("works");
    let store = CheckpointStore::new(&file, FsStorage);
    let error = store.save("a", vec![]).expect_err("a file in the way");
    assert!(matches!(error, RecordError::Io { .. }), "{error}");
    assert!(
        error.to_string().contains(&*file.to_string_lossy()),
        "{error}"
    );
    assert_eq!(fs::read(Path::new(&file)).expect("untouched"), b"");
}
