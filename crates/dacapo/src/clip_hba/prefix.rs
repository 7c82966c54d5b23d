use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use burn::tensor::{Tensor, backend::Backend};
use dacapo_models::{Clip, Cut, Stage, TokenBatch};
use dacapo_prefix::{ComputeError, Limits, Place, PrefixCache};

use crate::prefix_keeping::PrefixKeeping;

/// Bytes of kept rows that a set of images may take on the device.
const DEVICE: u64 = 24 << 30;

/// What CLIP's towers compute before their first trainable tensor.
///
/// It is computed without gradients, in micro-batches of one shape for images and all at once
/// for the prompts, whether it is kept or not.
pub(super) struct Prefix<B: Backend> {
    images: PrefixCache<B>,
    texts: Mutex<Kept<B>>,
    vision: Option<Cut>,
    text: Option<Cut>,
}

/// The prompts at their cut.
struct Kept<B: Backend> {
    keep: bool,
    stage: Option<Stage<B>>,
}

impl<B: Backend> Prefix<B> {
    pub(super) fn new(micro_batch: NonZeroUsize) -> Self {
        Self {
            images: PrefixCache::new(micro_batch, limits(0)),
            texts: Mutex::new(Kept {
                keep: true,
                stage: None,
            }),
            vision: None,
            text: None,
        }
    }

    /// Sets the cuts of a model of so many blocks.
    pub(super) fn prepare(&mut self, blocks: [usize; 2], trainable: &BTreeSet<String>) {
        let [vision, text] = blocks;
        // Nothing is gained in front of the first block.
        let worth = |cut: &Cut| *cut > Cut::block(0);
        self.vision = Cut::of_vision(vision, trainable).filter(worth);
        self.text = Cut::of_text(text, trainable).filter(worth);
    }

    /// Whether anything is kept from step to step, and where: in a folder under `key`, which
    /// tells all that rows depend on besides images and cut. No bit depends on it.
    pub(super) fn keep(&self, keeping: &PrefixKeeping, key: &str) {
        let keep = keeping.keep;
        self.images.keep(keep);
        self.images.within(limits(keeping.host));
        if let (Some(folder), Some(cut)) = (&keeping.folder, self.vision) {
            let key = blake3::hash(format!("{key} {:?}", cut.place()).as_bytes());
            let key = key.to_hex()[..32].to_owned();
            self.images.in_folder(folder.clone(), key);
        }
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        *texts = Kept { keep, stage: None };
    }

    pub(super) fn vision(&self) -> Option<Cut> {
        self.vision
    }

    pub(super) fn text(&self) -> Option<Cut> {
        self.text
    }

    /// Where the rows of a set are, once they were asked for.
    pub(super) fn place(&self, set: &str) -> Option<Place> {
        self.images.place(set)
    }

    /// Images of a set at the cut.
    pub(super) fn of_set<'a>(
        &self,
        set: &str,
        len: usize,
        indices: &[usize],
        cut: Cut,
        model: impl Fn() -> &'a Clip<B>,
        images: impl Fn(&[usize]) -> Tensor<B, 4>,
    ) -> Result<Stage<B>, ComputeError>
    where
        B: 'a,
    {
        let compute = |batch: &[usize]| {
            let stage = model().visual.prefix(images(batch), cut, None);
            Ok(parts(stage))
        };
        Ok(stage(self.images.rows(set, len, indices, compute)?))
    }

    /// Images that are of no set at the cut.
    pub(super) fn of_images(
        &self,
        cut: Cut,
        model: &Clip<B>,
        images: &Tensor<B, 4>,
    ) -> Result<Stage<B>, ComputeError> {
        let all: Vec<usize> = (0..images.dims()[0]).collect();
        let compute = |batch: &[usize]| {
            let rows = batch.iter().map(|at| images.clone().narrow(0, *at, 1));
            let batch = Tensor::cat(rows.collect(), 0);
            Ok(parts(model.visual.prefix(batch, cut, None)))
        };
        Ok(stage(self.images.compute(&all, compute)?))
    }

    /// The prompts at their cut.
    pub(super) fn of_texts<'a>(
        &self,
        cut: Cut,
        model: impl Fn() -> &'a Clip<B>,
        texts: &TokenBatch,
    ) -> Stage<B>
    where
        B: 'a,
    {
        let mut kept = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stage) = &kept.stage {
            return stage.clone();
        }
        let stage = model().text.prefix(texts, cut, None);
        if kept.keep {
            kept.stage = Some(stage.clone());
        }
        stage
    }
}

fn limits(host: u64) -> Limits {
    Limits {
        device: DEVICE,
        host,
    }
}

fn parts<B: Backend>(stage: Stage<B>) -> Vec<Tensor<B, 3>> {
    let mut parts = vec![stage.stream];
    parts.extend(stage.joined);
    parts
}

fn stage<B: Backend>(parts: Vec<Tensor<B, 3>>) -> Stage<B> {
    let mut parts = parts.into_iter();
    Stage {
        stream: parts.next().expect("a stage has a stream"),
        joined: parts.next(),
    }
}
