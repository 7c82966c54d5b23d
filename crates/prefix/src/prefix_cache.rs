use std::{
    collections::BTreeMap,
    error::Error,
    num::NonZeroUsize,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use burn::tensor::{Tensor, backend::Backend};

use crate::pieces::Pieces;

/// Why a micro-batch could not be computed.
pub type ComputeError = Box<dyn Error + Send + Sync>;

/// Bytes that no tensor of kept rows exceeds by much.
const PIECE: usize = 512 << 20;

/// The rows that samples have at a cut of the forward pass, computed once per sample and kept on
/// the device, or computed whenever they are asked for: with the same bits.
#[derive(Debug)]
pub struct PrefixCache<B: Backend> {
    micro_batch: NonZeroUsize,
    /// Bytes that a set may take to be kept.
    limit: u64,
    /// Bytes of a tensor of kept rows.
    piece: usize,
    keeps: AtomicBool,
    /// By set; `None` for one that is too large.
    sets: Mutex<BTreeMap<String, Option<Vec<Pieces<B>>>>>,
}

impl<B: Backend> PrefixCache<B> {
    /// An empty cache. Samples are computed `micro_batch` at a time: another number may give
    /// other bits. A set of samples whose rows take more than `limit` bytes is not kept.
    pub fn new(micro_batch: NonZeroUsize, limit: u64) -> Self {
        Self {
            micro_batch,
            limit,
            piece: PIECE,
            keeps: AtomicBool::new(true),
            sets: Mutex::default(),
        }
    }

    /// The same with kept rows in tensors of about so many bytes, 512 MiB if not told. No bit
    /// depends on it.
    pub fn in_pieces_of(self, bytes: usize) -> Self {
        Self {
            piece: bytes,
            ..self
        }
    }

    /// Whether rows are kept; what was kept is let go if not. No bit depends on it.
    pub fn keep(&self, keep: bool) {
        self.keeps.store(keep, Ordering::Relaxed);
        if !keep {
            self.sets().clear();
        }
    }

    /// The parts, `[indices, ..]` each, of what samples of the set called `set` have at the
    /// cut; the set has `len` samples. `compute` gives them for a micro-batch of any of these
    /// samples.
    ///
    /// # Errors
    /// Those of `compute`; a device that computes a sample otherwise beside others, if rows are
    /// to be kept.
    pub fn rows(
        &self,
        set: &str,
        len: usize,
        indices: &[usize],
        mut compute: impl FnMut(&[usize]) -> Result<Vec<Tensor<B, 3>>, ComputeError>,
    ) -> Result<Vec<Tensor<B, 3>>, ComputeError> {
        if !self.keeps.load(Ordering::Relaxed) {
            return self.compute(indices, compute);
        }
        let mut sets = self.sets();
        if !sets.contains_key(set) {
            let kept = self.fill(len, &mut compute)?;
            sets.insert(set.to_owned(), kept);
        }
        match &sets[set] {
            Some(parts) => Ok(parts.iter().map(|part| part.select(indices)).collect()),
            None => self.compute(indices, compute),
        }
    }

    /// The same of samples that belong to no set: nothing is kept.
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn compute(
        &self,
        indices: &[usize],
        mut compute: impl FnMut(&[usize]) -> Result<Vec<Tensor<B, 3>>, ComputeError>,
    ) -> Result<Vec<Tensor<B, 3>>, ComputeError> {
        self.batches(indices, &mut compute)
    }

    /// The parts of these samples, micro-batch by micro-batch.
    fn batches(
        &self,
        indices: &[usize],
        compute: &mut impl FnMut(&[usize]) -> Result<Vec<Tensor<B, 3>>, ComputeError>,
    ) -> Result<Vec<Tensor<B, 3>>, ComputeError> {
        let mut parts: Vec<Vec<Tensor<B, 3>>> = Vec::new();
        for batch in indices.chunks(self.micro_batch.get()) {
            let filled = self.filled(batch);
            for (at, part) in compute(&filled)?.into_iter().enumerate() {
                if parts.len() == at {
                    parts.push(Vec::new());
                }
                let [_, height, width] = part.dims();
                parts[at].push(match batch.len() == filled.len() {
                    true => part,
                    false => part.slice([0..batch.len(), 0..height, 0..width]),
                });
            }
        }
        let joined = parts.into_iter().map(|mut blocks| match blocks.len() {
            1 => blocks.remove(0),
            _ => Tensor::cat(blocks, 0),
        });
        Ok(joined.collect())
    }

    /// A micro-batch of the one shape.
    fn filled(&self, batch: &[usize]) -> Vec<usize> {
        let mut filled = batch.to_vec();
        filled.resize(self.micro_batch.get(), batch[batch.len() - 1]);
        filled
    }

    /// The rows of all samples, unless they take too much.
    fn fill(
        &self,
        len: usize,
        compute: &mut impl FnMut(&[usize]) -> Result<Vec<Tensor<B, 3>>, ComputeError>,
    ) -> Result<Option<Vec<Pieces<B>>>, ComputeError> {
        let first: Vec<usize> = (0..len.min(self.micro_batch.get())).collect();
        let first = self.filled(&first);
        let forwards = compute(&first)?;
        let bytes = |part: &Tensor<B, 3>| part.dtype().size() * part.shape().num_elements();
        let sizes: Vec<usize> = forwards
            .iter()
            .map(|part| bytes(part) / first.len())
            .collect();
        if sizes.iter().sum::<usize>() as u64 * len as u64 > self.limit {
            return Ok(None);
        }
        let turned: Vec<usize> = first.iter().rev().copied().collect();
        for (there, back) in forwards.into_iter().zip(compute(&turned)?) {
            if !same_bits(there, back.flip([0])) {
                return Err(
                    "this device computes a sample otherwise in another place of a batch, so that \
                     nothing can be kept of it. Train with --no-prefix-cache"
                        .into(),
                );
            }
        }
        // Whole micro-batches; a piece at a time, so that little is there twice.
        let widest = sizes.iter().max().copied().unwrap_or(0).max(1);
        let micro_batch = self.micro_batch.get();
        let samples = (self.piece / widest / micro_batch).max(1) * micro_batch;
        let mut parts: Vec<Pieces<B>> = sizes.iter().map(|_| Pieces::of(samples)).collect();
        let all: Vec<usize> = (0..len).collect();
        for some in all.chunks(samples) {
            for (part, piece) in parts.iter_mut().zip(self.batches(some, compute)?) {
                part.push(piece);
            }
        }
        Ok(Some(parts))
    }

    fn sets(&self) -> MutexGuard<'_, BTreeMap<String, Option<Vec<Pieces<B>>>>> {
        // Whoever panicked while it was held has changed nothing.
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same_bits<B: Backend>(a: Tensor<B, 3>, b: Tensor<B, 3>) -> bool {
    a.into_data().as_bytes() == b.into_data().as_bytes()
}
