//! What every refusal must be like.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use dacapo::trainer::RunFolder;
use dacapo_tests::{Finished, Sandbox};

/// Asserts that `refused` says what is wrong, including `needles`, as it should.
#[track_caller]
fn assert_told(refused: &Finished, needles: &[&str]) {
    let shown = format!("{}\n{}", refused.command, refused.err);
    assert_eq!(refused.code, Some(2), "{shown}");
    assert_eq!(refused.out, "", "{shown}");
    let paragraph = refused.err.trim_end();
    assert!(paragraph.starts_with("dacapo: "), "{shown}");
    assert!(
        !paragraph.contains("\n\n"),
        "more than a paragraph: {shown}"
    );
    for trace in ["panicked", "backtrace", ".rs:", "Error {", "Some("] {
        assert!(!paragraph.contains(trace), "{trace}: {shown}");
    }
    for needle in needles {
        assert!(paragraph.contains(needle), "no {needle:?}: {shown}");
    }
}

/// Every file below `root` with its bytes, and every folder.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let bytes = match path.is_dir() {
                true => {
                    open.push(path.clone());
                    None
                }
                false => Some(std::fs::read(&path).expect("a file")),
            };
            found.insert(path, bytes);
        }
    }
    found
}

/// Asserts that the arguments are refused as they should be and that no file changes.
#[track_caller]
pub fn assert_refused<A: AsRef<OsStr>>(
    sandbox: &Sandbox,
    args: impl IntoIterator<Item = A>,
    needles: &[&str],
) {
    let before = snapshot(sandbox.root());
    let refused = sandbox.run(args);
    assert_told(&refused, needles);
    let after = snapshot(sandbox.root());
    let changed: Vec<&PathBuf> = before
        .keys()
        .chain(after.keys())
        .filter(|path| before.get(*path) != after.get(*path))
        .collect();
    assert!(
        changed.is_empty(),
        "{} changed {changed:?}",
        refused.command
    );
}

/// The file of a run's latest checkpoint.
pub fn latest(root: &Path) -> PathBuf {
    let folder = RunFolder::new(root);
    let name = folder.latest().expect("a pointer").expect("a checkpoint");
    folder.checkpoint(&name).expect("a path")
}
