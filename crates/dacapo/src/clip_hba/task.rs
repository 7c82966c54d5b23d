use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
};

use burn::{
    module::AutodiffModule,
    tensor::{
        Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use dacapo_models::{Clip, Cut, Stage, TokenBatch};
use dacapo_ops::mean_square;
use dacapo_prefix::{Place, Samples};
use dacapo_rng::DropoutKey;
use dacapo_rsa::{Rdm, Spearman};
use dacapo_things::{Split, Targets, ThingsImages};
use dacapo_trainer::{BatchPerturbation, Identity, PerturbationKind, StepContext, Task, TaskError};

use super::{
    loaded_ahead::{LoadedAhead, normalised},
    prefix::Prefix,
    prompts::read_prompts,
    split_file::read_split,
};
use crate::{
    CliError, config::ClipHbaConfig, heldout::Heldout, prefix_keeping::PrefixKeeping,
    regression_targets::RegressionTargets,
};

/// Images in one pass of an evaluation.
const EVALUATION_BATCH: usize = 64;

/// Predicting the similarity dimensions of THINGS images: mean squared error between CLIP's
/// logits for the prompts and the targets; behavioural RSA of every epoch.
pub struct ClipTask<B: AutodiffBackend> {
    images: Arc<ThingsImages>,
    /// The images' hash, which names them as a set.
    images_hash: String,
    /// `[images, prompts]`.
    targets: RegressionTargets,
    split: Split,
    texts: TokenBatch,
    rsa: Option<Rsa>,
    /// Blocks of the image and of the text tower.
    blocks: [usize; 2],
    prefix: Prefix<B::InnerBackend>,
    ahead: LoadedAhead,
    device: B::Device,
}

/// Images whose dissimilarities people have judged.
struct Rsa {
    images: ThingsImages,
    images_hash: String,
    reference: Rdm,
}

impl<B: AutodiffBackend> ClipTask<B> {
    /// What `config` names, all of it read and checked: prompts and targets first, then the
    /// images, of which `progress` tells how many are done.
    ///
    /// # Errors
    /// Whatever cannot be read or does not fit, with file, row and name.
    pub fn new(
        config: &ClipHbaConfig,
        split_seed: u64,
        threads: NonZeroUsize,
        device: B::Device,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Self, CliError> {
        let sizes = config.model();
        let texts = read_prompts(config, sizes.context, sizes.vocabulary)?;
        let targets = Targets::read_things_csv(&config.targets)?;
        let split = match &config.split {
            Some(path) => read_split(Path::new(path), targets.len())?,
            None => Split::new(split_seed, targets.len(), config.train_fraction)?,
        };
        let heldout = Heldout::read(
            "clip",
            config.rsa_targets.as_deref(),
            config.rsa_rdm.as_deref(),
        )?;

        let total = targets.len() + heldout.as_ref().map_or(0, |heldout| heldout.targets.len());
        let mut load = |names: &[String], before: usize| {
            let progress = |done, _| progress(before + done, total);
            ThingsImages::load(&config.images, names, sizes.image_size, threads, progress)
        };
        let images = load(targets.names(), 0)?;
        let rsa = match heldout {
            None => None,
            Some(Heldout {
                targets: heldout,
                reference,
            }) => {
                let images = load(heldout.names(), targets.len())?;
                Some(Rsa {
                    images_hash: images.fingerprint(),
                    images,
                    reference,
                })
            }
        };
        Ok(Self {
            images_hash: images.fingerprint(),
            images: Arc::new(images),
            targets: RegressionTargets::new(&targets),
            split,
            texts,
            rsa,
            blocks: [sizes.vision.blocks, sizes.text.blocks],
            prefix: Prefix::new(config.prefix_batch),
            ahead: LoadedAhead::default(),
            device,
        })
    }

    /// Whether what comes before the first trainable tensor is kept from step to step, and where;
    /// `identity` is the run's. No bit depends on it.
    pub fn keep_prefix(&self, keeping: &PrefixKeeping, identity: &Identity) {
        let parts = identity.parts().into_iter();
        // Adapters, optimizer and all the rest come behind the cut.
        let parts = parts.filter(|(name, _)| *name != "config_hash");
        let text: Vec<String> = parts
            .map(|(name, part)| format!("{name} {part}\n"))
            .collect();
        self.prefix.keep(keeping, &text.concat());
    }

    /// Where the images' part before the first trainable tensor is, once it was asked for.
    pub fn prefix_place(&self) -> Option<Place> {
        self.prefix.place(&self.images_hash)
    }

    /// Where the image and the text tower are cut in two.
    pub fn cuts(&self) -> [Option<Cut>; 2] {
        [self.prefix.vision(), self.prefix.text()]
    }

    /// The images that are trained on and those that judge every epoch.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// How many images the behavioural RSA compares; 0 without one.
    pub fn rsa_len(&self) -> usize {
        self.rsa.as_ref().map_or(0, |rsa| rsa.images.len())
    }

    fn batch<C: Backend<Device = B::Device>>(
        &self,
        images: &ThingsImages,
        indices: &[usize],
    ) -> Tensor<C, 4> {
        self.tensor(images, indices, normalised(images, indices))
    }

    fn tensor<C: Backend<Device = B::Device>>(
        &self,
        images: &ThingsImages,
        indices: &[usize],
        pixels: Vec<f32>,
    ) -> Tensor<C, 4> {
        let shape = [indices.len(), 3, images.side(), images.side()];
        Tensor::from_data(TensorData::new(pixels, shape), &self.device)
    }

    /// In `targets` those to learn in a disturbed step; the images to see, if they are not
    /// those of the examples, which are of the shape of `original`.
    fn perturb(
        &self,
        perturbation: &mut BatchPerturbation,
        original: impl FnOnce() -> Tensor<B, 4>,
        targets: &mut Vec<f32>,
    ) -> Option<Tensor<B, 4>> {
        self.targets.perturb(perturbation, targets);
        match perturbation.kind {
            PerturbationKind::ImageNoise => {
                let shape = original().dims();
                let values = perturbation.normal(shape.iter().product(), 0.0, 1.0);
                Some(Tensor::from_data(
                    TensorData::new(values, shape),
                    &self.device,
                ))
            }
            PerturbationKind::UniformImages => {
                Some(Tensor::full(original().dims(), 0.5, &self.device))
            }
            // Of the targets, or the trainer's own.
            _ => None,
        }
    }

    /// Logits of every one of `indices`, row by row, in evaluation mode.
    fn predictions(
        &self,
        model: &Clip<B::InnerBackend>,
        set: &str,
        images: &ThingsImages,
        indices: &[usize],
    ) -> Result<Vec<f64>, TaskError> {
        let texts = match self.prefix.text() {
            None => model.text.forward(&self.texts, None),
            Some(cut) => {
                let compute = || model.text.prefix(&self.texts, cut, None);
                let stage = self.prefix.of_texts(compute);
                model.text.suffix(stage, &self.texts, cut, None)
            }
        };
        let mut predictions = Vec::new();
        for batch in indices.chunks(EVALUATION_BATCH) {
            let samples = Samples {
                set,
                len: images.len(),
                indices: batch,
            };
            let load = |indices: &[usize]| self.batch(images, indices);
            let features = self
                .prefix
                .images()
                .evaluate(&model.visual, &samples, load)?;
            let logits = model.logits(features, texts.clone()).into_data();
            predictions.extend(logits.iter::<f64>());
        }
        Ok(predictions)
    }

    /// Logits of a batch to learn from: `examples`, or these `images` in place of theirs.
    fn logits(
        &self,
        model: &Clip<B>,
        examples: &[usize],
        images: Option<Tensor<B, 4>>,
        dropout: &DropoutKey,
    ) -> Result<Tensor<B, 2>, TaskError> {
        let prefix = self.prefix.images();
        let features = match images {
            Some(images) => prefix.forward_others(&model.visual, images.inner(), Some(dropout))?,
            None => {
                let samples = Samples {
                    set: &self.images_hash,
                    len: self.images.len(),
                    indices: examples,
                };
                let load = |indices: &[usize]| {
                    let pixels = self.ahead.batch(&self.images, indices);
                    self.tensor(&self.images, indices, pixels)
                };
                prefix.forward(&model.visual, &samples, load, Some(dropout))?
            }
        };
        let texts = match self.prefix.text() {
            None => model.text.forward(&self.texts, Some(dropout)),
            Some(cut) => {
                let compute = || model.text.valid().prefix(&self.texts, cut, None);
                let stage = Stage::from_inner(self.prefix.of_texts(compute));
                model.text.suffix(stage, &self.texts, cut, Some(dropout))
            }
        };
        Ok(model.logits(features, texts))
    }
}

impl<B: AutodiffBackend> Task<B> for ClipTask<B> {
    type Model = Clip<B>;

    fn prepare(&mut self, trainable: &BTreeSet<String>) {
        self.prefix.prepare(self.blocks, trainable);
    }

    fn prefetch(&self, examples: &[usize]) {
        let place = self.prefix.place(&self.images_hash);
        // Kept rows are read in place of images; after the first step they are kept, if ever.
        let kept = !matches!(place, None | Some(Place::Nowhere));
        if self.prefix.vision().is_none() || !kept {
            let examples = examples.iter().map(|index| self.split.train()[*index]);
            self.ahead.begin(&self.images, examples.collect());
        }
    }

    fn train_len(&self) -> usize {
        self.split.train().len()
    }

    fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.images_hash.as_bytes());
        for value in self.targets.values() {
            hasher.update(&value.to_le_bytes());
        }
        for part in [self.split.train(), self.split.test()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            for index in part {
                hasher.update(&(*index as u64).to_le_bytes());
            }
        }
        for text in self.texts.texts() {
            hasher.update(&(text.len() as u64).to_le_bytes());
            for id in text {
                hasher.update(&id.to_le_bytes());
            }
        }
        if let Some(rsa) = &self.rsa {
            hasher.update(rsa.images_hash.as_bytes());
            for value in rsa.reference.values() {
                hasher.update(&value.to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    fn loss(
        &self,
        model: &Clip<B>,
        examples: &[usize],
        context: &mut StepContext<'_>,
    ) -> Result<Tensor<B, 1>, TaskError> {
        let examples = examples.iter().map(|index| self.split.train()[*index]);
        let examples: Vec<usize> = examples.collect();
        let mut targets = self.targets.of(&examples);
        let mut images = None;
        if let Some(perturbation) = &mut context.perturbation {
            let original = || self.batch(&self.images, &examples);
            images = self.perturb(perturbation, original, &mut targets);
        }
        let targets = TensorData::new(targets, [examples.len(), self.texts.len()]);
        let targets = Tensor::<B, 2>::from_data(targets, &self.device);
        let error = self.logits(model, &examples, images, &context.dropout)? - targets;
        Ok(mean_square(error))
    }

    fn evaluate(
        &self,
        model: &<Clip<B> as AutodiffModule<B>>::InnerModule,
    ) -> Result<BTreeMap<String, f64>, TaskError> {
        let test = self.split.test();
        let predictions = self.predictions(model, &self.images_hash, &self.images, test)?;
        let targets = self.targets.of(test);
        let errors = predictions.iter().zip(&targets);
        let sum: f64 = errors
            .map(|(found, target)| (found - f64::from(*target)).powi(2))
            .sum();
        let mut metrics = BTreeMap::from([(VALID_LOSS.to_owned(), sum / targets.len() as f64)]);
        if let Some(Rsa {
            images,
            images_hash,
            reference,
        }) = &self.rsa
        {
            let all: Vec<usize> = (0..images.len()).collect();
            let predictions = self.predictions(model, images_hash, images, &all)?;
            let rdm = Rdm::from_predictions(&predictions, images.len(), self.texts.len())?;
            let found = Spearman::between(&rdm, reference)?;
            metrics.insert(RSA_RHO.to_owned(), found.rho);
            metrics.insert(RSA_P.to_owned(), found.p_value);
        }
        Ok(metrics)
    }

    fn perturbations(&self) -> &[PerturbationKind] {
        &[
            PerturbationKind::LabelShuffle,
            PerturbationKind::RandomTargets,
            PerturbationKind::ImageNoise,
            PerturbationKind::UniformImages,
        ]
    }

    fn metrics(&self) -> Option<BTreeSet<String>> {
        let rsa = self.rsa.as_ref().map(|_| [RSA_RHO, RSA_P]);
        let names = [VALID_LOSS].into_iter().chain(rsa.into_iter().flatten());
        Some(names.map(str::to_owned).collect())
    }
}

pub(super) const VALID_LOSS: &str = "valid_loss";
/// Spearman's rank correlation of the model's dissimilarities and the people's.
pub(super) const RSA_RHO: &str = "rsa_rho";
pub(super) const RSA_P: &str = "rsa_p";
