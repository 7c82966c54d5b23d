//! A training step of the default run, with and without a checkpoint after it.

use burn_flex::Flex;
use dacapo::trainer::Info;
use dacapo_benches::default_run;
use divan::Bencher;

fn main() {
    divan::main();
}

/// On the disk that cargo builds on, not in a memory file system.
const PARENT: &str = env!("CARGO_TARGET_TMPDIR");

#[divan::bench(sample_count = 200, sample_size = 1)]
fn step(bencher: Bencher) {
    let mut run = default_run(PARENT);
    bencher.bench_local(|| run.session.trainer.step().expect("a step succeeds"));
}

#[divan::bench(sample_count = 200, sample_size = 1)]
fn step_and_checkpoint(bencher: Bencher) {
    let mut run = default_run(PARENT);
    bencher.bench_local(|| {
        let trainer = &mut run.session.trainer;
        trainer.step().expect("a step succeeds");
        let record = trainer.to_record(Info::default()).expect("a record");
        let name = trainer.checkpoint_name();
        run.folder
            .save::<Flex>(&name, record, false)
            .and_then(|()| run.folder.prune(&run.config.checkpoint))
            .expect("it can be written");
    });
}
