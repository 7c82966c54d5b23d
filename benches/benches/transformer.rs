//! A training step of a transformer of width 256 on the CPU: `python/transformer_step.py` is the
//! same in PyTorch.

use divan::Bencher;

fn main() {
    divan::main();
}

// Half of an epoch, at whose end there would be an evaluation.
#[divan::bench(sample_count = 15, sample_size = 1)]
fn step(bencher: Bencher) {
    let mut session = dacapo_benches::transformer();
    bencher.bench_local(|| session.trainer.step().expect("a step succeeds"));
}
