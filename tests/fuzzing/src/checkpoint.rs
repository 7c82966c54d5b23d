use std::path::Path;

use burn_flex::Flex;
use dacapo::{
    digits::BaseRecord,
    record::{Tree, open, seal},
    trainer::{TrainerRecord, from_payload, payload_tree},
};

use crate::{file::accepted, memory::bounded};

/// A leaf of one byte has a path of its own, and a record is compared with what it was read from.
const PER_BYTE: usize = 768;

/// Checkpoints: `bytes` as a file, and as the payload of a file whose checksum is right.
pub fn checkpoint(bytes: &[u8]) {
    let path = Path::new("hostile.mpk");
    let opened = bounded(1, bytes.len(), || accepted(path, open(path, bytes)));
    if let Some(payload) = opened {
        read(path, payload);
    }
    let sealed = seal(bytes.to_vec());
    assert_eq!(open(path, &sealed).expect("it was just sealed"), bytes);
    read(path, bytes);
}

fn read(path: &Path, payload: &[u8]) {
    let parse = |payload: &[u8]| {
        let parse = || accepted(path, Tree::parse(path, payload));
        bounded(PER_BYTE, payload.len(), parse)
    };
    let tree = parse(payload);
    let record = bounded(PER_BYTE, payload.len(), || {
        accepted(path, TrainerRecord::from_payload(path, payload))
    });
    let base: Option<BaseRecord> = bounded(PER_BYTE, payload.len(), || {
        accepted(path, from_payload(path, payload))
    });
    let Some(tree) = tree else {
        assert!(record.is_none() && base.is_none(), "a record of no tree");
        return;
    };
    for (place, leaf) in tree.leaves() {
        assert_eq!(tree.get(place), Some(leaf));
        // A number has a size of its own, however short it is written.
        assert!(leaf.size() <= payload.len().max(8), "{}", leaf.describe());
    }
    assert!(tree.diff(&tree, &[]).is_equal());

    let mut changed = payload.to_vec();
    changed[payload.len() / 2] ^= 1;
    if let Some(changed) = parse(&changed) {
        let diff = tree.diff(&changed, &[]);
        let same_hash = tree.state_hash(&[]) == changed.state_hash(&[]);
        assert_eq!(diff.is_equal(), same_hash, "{diff}");
    }

    let item = tree.subtree("item");
    if let Some(record) = record {
        let hash = record.clone().state_hash::<Flex>();
        let expected = item.state_hash(TrainerRecord::INFORMATIONAL);
        assert_eq!(hash.expect("a record can be hashed"), expected);
        assert_comes_back(path, record.to_payload::<Flex>(), &item);
    }
    if let Some(base) = base {
        assert_comes_back(path, dacapo::trainer::to_payload::<Flex, _>(base), &item);
    }
}

fn assert_comes_back(
    path: &Path,
    written: Result<Vec<u8>, dacapo::trainer::TrainerError>,
    read: &Tree,
) {
    let written = written.expect("what was read can be written");
    let again = payload_tree(path, &written).expect("what was written can be read");
    let diff = read.diff(&again, &[]);
    assert!(diff.is_equal(), "{diff}");
}
