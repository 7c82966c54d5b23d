use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use burn::tensor::backend::Backend;
use dacapo_models::{Cut, Stage};
use dacapo_prefix::{FrozenPrefix, Limits, Place, PrefixCache};

use crate::prefix_keeping::PrefixKeeping;

/// Bytes of kept rows that a set of images may take on the device.
const DEVICE: u64 = 24 << 30;

/// What CLIP's towers compute before their first trainable tensor.
///
/// It is computed without gradients, in micro-batches of one shape for images and all at once
/// for the prompts, whether it is kept or not.
pub(super) struct Prefix<B: Backend> {
    images: FrozenPrefix<B>,
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
            images: FrozenPrefix::new(PrefixCache::new(micro_batch, limits(0))),
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
        let visual = trainable.iter();
        let visual = visual.filter_map(|path| path.strip_prefix("visual."));
        self.images.prepare(visual.map(str::to_owned).collect());
    }

    /// Whether anything is kept from step to step, and where: in a folder under `key`, which
    /// tells all that rows depend on besides images and cut. No bit depends on it.
    pub(super) fn keep(&self, keeping: &PrefixKeeping, key: &str) {
        let (keep, cache) = (keeping.keep, self.images.cache());
        cache.keep(keep);
        cache.within(limits(keeping.host));
        if let (Some(folder), Some(cut)) = (&keeping.folder, self.vision) {
            let key = blake3::hash(format!("{key} {:?}", cut.place()).as_bytes());
            let key = key.to_hex()[..32].to_owned();
            cache.in_folder(folder.clone(), key);
        }
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        *texts = Kept { keep, stage: None };
    }

    /// Of the images.
    pub(super) fn images(&self) -> &FrozenPrefix<B> {
        &self.images
    }

    pub(super) fn vision(&self) -> Option<Cut> {
        self.vision
    }

    pub(super) fn text(&self) -> Option<Cut> {
        self.text
    }

    /// Where the rows of a set are, once they were asked for.
    pub(super) fn place(&self, set: &str) -> Option<Place> {
        self.images.cache().place(set)
    }

    /// The prompts at their cut, which `compute` gives if they are not kept.
    pub(super) fn of_texts(&self, compute: impl FnOnce() -> Stage<B>) -> Stage<B> {
        let mut kept = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stage) = &kept.stage {
            return stage.clone();
        }
        let stage = compute();
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
