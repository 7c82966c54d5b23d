use dacapo_rng::Stream;

use crate::PerturbationKind;

/// What a task is to do to the batches of a disturbed step.
pub struct BatchPerturbation {
    /// One of the kinds that are [of a batch](PerturbationKind::is_of_batch).
    pub kind: PerturbationKind,
    /// The step's draws, which its micro-batches share in their order; with virtual shards, each
    /// shard's own.
    pub stream: Stream,
}

impl BatchPerturbation {
    /// An order of `len` targets, by Fisher and Yates from the last one down.
    pub fn order(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        for last in (1..len).rev() {
            // At most `last`.
            let chosen = self.stream.below(last as u64 + 1) as usize;
            order.swap(last, chosen);
        }
        order
    }

    /// So many draws from the normal distribution of this mean and deviation, in f32.
    pub fn normal(&mut self, len: usize, mean: f64, deviation: f64) -> Vec<f32> {
        (0..len)
            .map(|_| (self.stream.normal_f64() * deviation + mean) as f32)
            .collect()
    }
}
