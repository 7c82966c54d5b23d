//! Files that somebody else made, at their worst: what fuzzing has found, and what is made of it here.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use dacapo_fuzzing::{TARGETS, seeds};
use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};

/// Files that are made of those of a target, by damaging them.
const DAMAGED: usize = 4000;

/// The files that fuzzing has kept for a target.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let entries = std::fs::read_dir(&folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let files = paths.into_iter().map(|path| {
        let bytes = std::fs::read(&path).expect("a file can be read");
        (path.display().to_string(), bytes)
    });
    files.collect()
}

/// Below `limit`, which is not 0.
fn below(random: &mut Pcg64Mcg, limit: usize) -> usize {
    (random.next_u64() % limit as u64) as usize
}

/// `bytes` with bits flipped, cut short, or with a piece of `other` in it.
fn damage(random: &mut Pcg64Mcg, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.is_empty() || other.is_empty() {
        return bytes;
    }
    match below(random, 4) {
        0 => bytes.truncate(below(random, bytes.len())),
        1 => {
            let (from, to) = (below(random, other.len()), below(random, bytes.len()));
            let piece = &other[from..][..below(random, other.len() - from).min(64)];
            let replaced = to..(to + below(random, 64)).min(bytes.len());
            bytes.splice(replaced, piece.iter().copied());
        }
        kind => {
            for _ in 0..1 + below(random, 4) {
                let at = below(random, bytes.len());
                bytes[at] = match kind {
                    2 => bytes[at] ^ (1 << below(random, 8)),
                    // What lengths and signs are made of.
                    _ => [0, 1, 0x7f, 0x80, 0xff][below(random, 5)],
                };
            }
        }
    }
    bytes
}

/// Gives a target its kept files, its seeds, and as many damaged ones.
#[track_caller]
fn assert_holds(target: &str) {
    // One at a time: memory is counted for the whole process.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, run) = TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .expect("a target");
    let run = |name: &str, bytes: &[u8]| {
        let outcome = std::panic::catch_unwind(|| run(bytes));
        if outcome.is_err() {
            panic!("{target}: {name}: {}", bytes.escape_ascii());
        }
    };
    run("an empty file", b"");
    let mut files = seeds(target);
    assert!(files.len() >= 5, "{} seeds", files.len());
    files.extend(corpus(target));
    for (name, bytes) in &files {
        run(name, bytes);
    }
    let mut random = Pcg64Mcg::seed_from_u64(1);
    for number in 0..DAMAGED {
        let (name, bytes) = &files[number % files.len()];
        let (_, other) = &files[below(&mut random, files.len())];
        let damaged = damage(&mut random, bytes, other);
        run(&format!("{name}, damaged ({number})"), &damaged);
    }
}

#[test]
fn hostile_checkpoint_panics_or_takes_memory() {
    assert_holds("checkpoint");
}

#[test]
fn hostile_safetensors_panics_or_takes_memory() {
    assert_holds("safetensors");
}

#[test]
fn hostile_pth_panics_or_takes_memory() {
    assert_holds("pth");
}

#[test]
fn hostile_config_panics_or_takes_memory() {
    assert_holds("config");
}

#[test]
fn hostile_csv_panics_or_takes_memory() {
    assert_holds("csv");
}

#[test]
fn hostile_mat_panics_or_takes_memory() {
    assert_holds("mat");
}

#[test]
fn hostile_adapter_panics_or_takes_memory() {
    assert_holds("peft");
}

#[test]
fn hostile_tokenizer_panics_or_takes_memory() {
    assert_holds("tokenizer");
}

#[test]
fn hostile_bert_panics_or_takes_memory() {
    assert_holds("bert");
}

#[test]
fn target_is_not_replayed_or_its_corpus_grows_without_limit() {
    let source = include_str!("fuzz_corpus.rs");
    for (target, _) in TARGETS {
        let call = format!("assert_holds({target:?})");
        assert!(source.contains(&call), "{target} is not replayed");
        let files = corpus(target);
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(
            files.len() <= 150 && bytes <= 300_000,
            "{target}: {bytes} bytes"
        );
    }
}
