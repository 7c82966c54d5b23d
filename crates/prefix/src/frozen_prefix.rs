use std::{cell::OnceCell, collections::BTreeSet};

use burn::{
    module::AutodiffModule,
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use dacapo_rng::DropoutKey;

use crate::{ComputeError, PrefixCache, Samples, SplitForward};

/// Trains a [`SplitForward`] model with what comes before its first trainable tensor computed once
/// per sample, and kept by a [`PrefixCache`].
///
/// With the cache or without, kept or computed anew, the bits are the same: the part before the cut
/// is computed without gradients and without dropout, in micro-batches of one shape, in any case.
/// Where nothing comes before a trainable tensor, the forward pass is the model's own.
#[derive(Debug)]
pub struct FrozenPrefix<B: Backend> {
    cache: PrefixCache<B>,
    trainable: BTreeSet<String>,
}

impl<B: Backend> FrozenPrefix<B> {
    /// Everything is frozen until [`prepare`](Self::prepare) says what is not.
    pub fn new(cache: PrefixCache<B>) -> Self {
        Self {
            cache,
            trainable: BTreeSet::new(),
        }
    }

    /// Where rows are kept.
    pub fn cache(&self) -> &PrefixCache<B> {
        &self.cache
    }

    /// The paths, within the model, of its trainable tensors: from the trainer's `Task::prepare`.
    pub fn prepare(&mut self, trainable: BTreeSet<String>) {
        self.trainable = trainable;
    }

    /// The paths that [`prepare`](Self::prepare) was told of.
    pub fn trainable(&self) -> &BTreeSet<String> {
        &self.trainable
    }

    /// Where `model` is cut, if anything comes before its first trainable tensor.
    pub fn cut<C: Backend, const D: usize, M: SplitForward<C, D>>(
        &self,
        model: &M,
    ) -> Option<M::Cut> {
        model.cut(&self.trainable).filter(|cut| *cut > M::start())
    }

    /// The forward pass of `samples` for training; `input` makes a batch of any samples of the set.
    ///
    /// # Errors
    /// Those of [`PrefixCache::rows`].
    pub fn forward<A, M, const D: usize>(
        &self,
        model: &M,
        samples: &Samples<'_>,
        mut input: impl FnMut(&[usize]) -> Tensor<B, D>,
        dropout: Option<&DropoutKey>,
    ) -> Result<M::Output, ComputeError>
    where
        A: AutodiffBackend<InnerBackend = B>,
        M: AutodiffModule<A> + SplitForward<A, D>,
        M::InnerModule: SplitForward<B, D, Cut = M::Cut>,
    {
        let Some(cut) = self.cut(model) else {
            let input = Tensor::from_inner(input(samples.indices));
            return Ok(model.forward_whole(input, dropout));
        };
        // Made only where something has to be computed: it takes as long as it has tensors.
        let frozen = OnceCell::new();
        let parts = self.rows(samples, |batch| {
            let frozen = frozen.get_or_init(|| model.valid());
            frozen.prefix(input(batch), cut, None)
        })?;
        Ok(model.suffix(tracked(parts), cut, dropout))
    }

    /// The same of samples that are of no set.
    ///
    /// # Errors
    /// Those of [`PrefixCache::compute`].
    pub fn forward_others<A, M, const D: usize>(
        &self,
        model: &M,
        input: Tensor<B, D>,
        dropout: Option<&DropoutKey>,
    ) -> Result<M::Output, ComputeError>
    where
        A: AutodiffBackend<InnerBackend = B>,
        M: AutodiffModule<A> + SplitForward<A, D>,
        M::InnerModule: SplitForward<B, D, Cut = M::Cut>,
    {
        let Some(cut) = self.cut(model) else {
            return Ok(model.forward_whole(Tensor::from_inner(input), dropout));
        };
        let frozen = model.valid();
        let all: Vec<usize> = (0..input.dims()[0]).collect();
        let parts = self.cache.compute(&all, |batch| {
            let rows = batch.iter().map(|at| input.clone().narrow(0, *at, 1));
            let batch = Tensor::cat(rows.collect(), 0);
            Ok(frozen.prefix(batch, cut, None))
        })?;
        Ok(model.suffix(tracked(parts), cut, dropout))
    }

    /// The forward pass of `samples` in evaluation mode.
    ///
    /// # Errors
    /// Those of [`PrefixCache::rows`].
    pub fn evaluate<M: SplitForward<B, D>, const D: usize>(
        &self,
        model: &M,
        samples: &Samples<'_>,
        mut input: impl FnMut(&[usize]) -> Tensor<B, D>,
    ) -> Result<M::Output, ComputeError> {
        let Some(cut) = self.cut(model) else {
            return Ok(model.forward_whole(input(samples.indices), None));
        };
        let parts = self.rows(samples, |batch| model.prefix(input(batch), cut, None))?;
        Ok(model.suffix(parts, cut, None))
    }

    fn rows(
        &self,
        samples: &Samples<'_>,
        mut compute: impl FnMut(&[usize]) -> Vec<Tensor<B, 3>>,
    ) -> Result<Vec<Tensor<B, 3>>, ComputeError> {
        let Samples { set, len, indices } = *samples;
        self.cache
            .rows(set, len, indices, |batch| Ok(compute(batch)))
    }
}

/// Parts that were computed without gradients, for a pass with them.
fn tracked<A: AutodiffBackend>(parts: Vec<Tensor<A::InnerBackend, 3>>) -> Vec<Tensor<A, 3>> {
    parts.into_iter().map(Tensor::from_inner).collect()
}
