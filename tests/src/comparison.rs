use std::path::Path;

use dacapo::{
    record::{FsStorage, read_sealed},
    trainer::{Info, RunFolder, TrainerRecord, payload_tree},
};

/// Backend of the program; a record does not depend on it.
type Backend = burn_flex::Flex;

/// Asserts that two run folders hold the same run, to the bit.
#[track_caller]
pub fn assert_same_run(a: &Path, b: &Path) {
    let differences = compare_runs(a, b);
    assert!(
        differences.is_empty(),
        "{} and {} differ:\n{}",
        a.display(),
        b.display(),
        differences.join("\n")
    );
}

/// How two runs differ: in their latest state, their best checkpoint or `history.csv`.
/// Empty if no bit differs, [`TrainerRecord::INFORMATIONAL`] aside.
pub fn compare_runs(a: &Path, b: &Path) -> Vec<String> {
    let mut differences = Vec::new();
    for pointer in [RunFolder::LATEST, RunFolder::BEST] {
        compare_pointed(a, b, pointer, &mut differences);
    }
    let history = |root: &Path| {
        let path = root.join("history.csv");
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let (left, right) = (history(a), history(b));
    if left != right {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        differences.push(format!("history.csv:\n{}\n{}", text(&left), text(&right)));
    }
    differences
}

fn compare_pointed(a: &Path, b: &Path, pointer: &str, differences: &mut Vec<String>) {
    let file = |root: &Path| {
        let folder = RunFolder::new(root);
        let name = match pointer {
            RunFolder::LATEST => folder.latest(),
            _ => folder.best(),
        };
        name.unwrap_or_else(|error| panic!("{}: {error}", root.display()))
            .map(|name| {
                let path = folder.checkpoint(&name).expect("a pointer is checked");
                (name, path)
            })
    };
    let ((name_a, file_a), (name_b, file_b)) = match (file(a), file(b)) {
        (Some(left), Some(right)) => (left, right),
        (None, None) => return,
        (left, right) => {
            let name = |side: Option<(String, _)>| side.map(|(name, _)| name);
            differences.push(format!("{pointer}: {:?} | {:?}", name(left), name(right)));
            return;
        }
    };
    if name_a != name_b {
        differences.push(format!("{pointer}: {name_a} | {name_b}"));
    }
    let (left, right) = (payload(&file_a), payload(&file_b));
    let tree = |path: &Path, payload: &[u8]| {
        payload_tree(path, payload).unwrap_or_else(|error| panic!("{error}"))
    };
    let diff = tree(&file_a, &left).diff(&tree(&file_b, &right), TrainerRecord::INFORMATIONAL);
    if !diff.is_equal() {
        differences.push(format!("{pointer}: {diff}"));
    } else if without_info(&file_a, &left) != without_info(&file_b, &right) {
        // The leaves do not say in which order a file holds them; the bytes do.
        differences.push(format!("{pointer}: equal leaves, unequal bytes"));
    }
}

fn payload(path: &Path) -> Vec<u8> {
    read_sealed(&FsStorage, path).unwrap_or_else(|error| panic!("{error}"))
}

/// The record written anew without what may differ.
fn without_info(path: &Path, payload: &[u8]) -> Vec<u8> {
    let mut record =
        TrainerRecord::from_payload(path, payload).unwrap_or_else(|error| panic!("{error}"));
    record.info = Info::default();
    record.run.epochs = 0;
    record
        .to_payload::<Backend>()
        .unwrap_or_else(|error| panic!("{error}"))
}
