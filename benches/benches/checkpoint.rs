//! What each stage of a checkpoint of the default run costs.

use std::path::Path;

use burn_flex::Flex;
use dacapo::{
    record::{FsStorage, commit, open, seal},
    trainer::{Info, TrainerRecord},
};
use dacapo_benches::{DefaultRun, default_run};
use divan::Bencher;

fn main() {
    divan::main();
}

/// On the disk that cargo builds on, not in a memory file system.
const PARENT: &str = env!("CARGO_TARGET_TMPDIR");

fn record(run: &DefaultRun) -> TrainerRecord {
    let record = run.session.trainer.to_record(Info::default());
    record.expect("a record can be taken")
}

fn payload(run: &DefaultRun) -> Vec<u8> {
    let payload = record(run).to_payload::<Flex>();
    payload.expect("a record can be serialised")
}

/// All that the training thread does for a checkpoint.
#[divan::bench]
fn a_snapshot(bencher: Bencher) {
    let run = default_run(PARENT);
    bencher.bench_local(|| run.session.trainer.snapshot(Info::default()));
}

#[divan::bench]
fn a_then_record(bencher: Bencher) {
    let run = default_run(PARENT);
    bencher.bench_local(|| record(&run));
}

#[divan::bench]
fn b_payload(bencher: Bencher) {
    let run = default_run(PARENT);
    bencher
        .with_inputs(|| record(&run))
        .bench_local_values(|record| record.to_payload::<Flex>());
}

#[divan::bench]
fn c_seal(bencher: Bencher) {
    let run = default_run(PARENT);
    bencher
        .with_inputs(|| payload(&run))
        .bench_local_values(seal);
}

/// Temporary file, fsync, rename, fsync of the folder.
#[divan::bench]
fn d_commit(bencher: Bencher) {
    let run = default_run(PARENT);
    let sealed = seal(payload(&run));
    let path = run.folder.root().join("file.mpk");
    bencher.bench_local(|| commit(&FsStorage, &path, &sealed).expect("it can be written"));
}

/// All of the above, history.csv and the pointer `latest`: three commits.
#[divan::bench]
fn e_whole_save(bencher: Bencher) {
    let run = default_run(PARENT);
    bencher.bench_local(|| {
        let saved = run
            .folder
            .save::<Flex>("step-00000001", record(&run), false);
        saved.expect("it can be written");
    });
}

/// Checksum, parse, every check of completeness.
#[divan::bench]
fn f_open_and_parse(bencher: Bencher) {
    let run = default_run(PARENT);
    let sealed = seal(payload(&run));
    let path = Path::new("benchmark");
    bencher.bench_local(|| {
        let payload = open(path, &sealed).expect("it is whole");
        TrainerRecord::from_payload(path, payload).expect("it is complete")
    });
}

/// What `dacapo verify` and the summary print.
#[divan::bench]
fn g_state_hash(bencher: Bencher) {
    let run = default_run(PARENT);
    bencher
        .with_inputs(|| record(&run))
        .bench_local_values(|record| record.state_hash::<Flex>());
}
