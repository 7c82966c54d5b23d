use std::{
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
};

use burn::{
    module::AutodiffModule,
    tensor::{
        Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use dacapo_models::{Digits, Split, cross_entropy};
use dacapo_rng::Stream;
use dacapo_trainer::{BatchPerturbation, PerturbationKind, StepContext, Task, TaskError};

use super::{Accuracy, Classifier};
use crate::{
    CliError,
    config::{Augment, DataConfig},
};

/// Images in one pass of an evaluation.
const EVALUATION_BATCH: usize = 256;

/// Classifying the handwritten digits.
pub struct DigitsTask<B: AutodiffBackend, M> {
    digits: Digits,
    split: Split,
    augment: Augment,
    device: B::Device,
    model: PhantomData<M>,
}

impl<B: AutodiffBackend, M> DigitsTask<B, M> {
    /// The stream that augmentation draws from.
    pub const STREAM: &'static str = "augment";
    /// What an evaluation reports.
    const METRICS: [&'static str; 2] = ["valid_loss", "valid_accuracy"];

    /// The examples that `config` names.
    ///
    /// # Errors
    /// An unknown data set, a class that it lacks, fractions that leave nothing to train.
    pub fn new(config: &DataConfig, device: B::Device) -> Result<Self, CliError> {
        if config.name != "digits" {
            return Err(CliError::input(
                format!("data.name = {:?} is no known data set", config.name),
                "Use \"digits\", the one that is built in",
            ));
        }
        let digits = Digits::embedded()?;
        let mut split = Split::stratified(
            digits.labels(),
            config.split_seed,
            config.valid_fraction,
            config.test_fraction,
        )?;
        if !config.classes.is_empty() {
            split = split.filter_classes(digits.labels(), &config.classes)?;
        }
        if config.limit > 0 {
            split.train.truncate(config.limit);
        }
        for (key, part) in [("valid", &split.valid), ("test", &split.test)] {
            if part.is_empty() {
                return Err(CliError::input(
                    format!("the {key} part of the data is empty"),
                    format!("Raise data.{key}_fraction or name more data.classes"),
                ));
            }
        }
        Ok(Self {
            digits,
            split,
            augment: config.augment,
            device,
            model: PhantomData,
        })
    }

    /// The three parts.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// The classes a model needs: the largest label of any part, and one.
    pub fn classes(&self) -> usize {
        let parts = [&self.split.train, &self.split.valid, &self.split.test];
        let labels = parts.into_iter().flatten();
        let largest = labels.map(|index| self.digits.labels()[*index]).max();
        largest.map_or(0, |label| usize::from(label) + 1)
    }

    /// Accuracy on the test images, in all and on the classes that `seen` lacks.
    pub fn test_accuracy<C>(&self, model: &C, seen: &[u8]) -> Accuracy
    where
        C: Classifier<B::InnerBackend>,
    {
        let mut accuracy = Accuracy::default();
        self.judge(model, &self.split.test, |label, correct, _| {
            accuracy.count(correct, !seen.contains(&label));
        });
        accuracy
    }

    /// Runs `model` in evaluation mode over `part` and hands on, image by image, the
    /// label, whether it was found and the cross-entropy.
    fn judge<C>(&self, model: &C, part: &[usize], mut each: impl FnMut(u8, bool, f64))
    where
        C: Classifier<B::InnerBackend>,
    {
        for batch in part.chunks(EVALUATION_BATCH) {
            let images = batch.iter().map(|index| self.pixels(*index, (0, 0)));
            let logits = model.logits(self.images::<B::InnerBackend>(images.collect()), None);
            let classes = logits.dims()[1];
            let logits: Vec<f64> = logits.into_data().iter::<f64>().collect();
            for (row, index) in logits.chunks(classes).zip(batch) {
                let label = self.digits.labels()[*index];
                let (best, top) =
                    row.iter()
                        .copied()
                        .enumerate()
                        .fold((0, f64::NEG_INFINITY), |best, now| {
                            if now.1 > best.1 { now } else { best }
                        });
                let sum: f64 = row.iter().map(|logit| libm::exp(logit - top)).sum();
                let loss = libm::log(sum) + top - row[usize::from(label)];
                each(label, best == usize::from(label), loss);
            }
        }
    }

    fn images<C: Backend<Device = B::Device>>(&self, images: Vec<Vec<f32>>) -> Tensor<C, 3> {
        let n = images.len();
        let side = Digits::SIDE;
        Tensor::from_data(
            TensorData::new(images.concat(), [n, side, side]),
            &self.device,
        )
    }

    /// An image in [0, 1], moved by (`down`, `right`) pixels; what comes in is black.
    fn pixels(&self, index: usize, (down, right): (isize, isize)) -> Vec<f32> {
        let side = Digits::SIDE as isize;
        let image = self.digits.image(index);
        let at = |y: isize, x: isize| match (0..side).contains(&y) && (0..side).contains(&x) {
            true => f32::from(image[(y * side + x) as usize]) / 16.0,
            false => 0.0,
        };
        (0..side * side)
            .map(|pixel| at(pixel / side - down, pixel % side - right))
            .collect()
    }
}

impl<B: AutodiffBackend, M> DigitsTask<B, M> {
    const PERTURBATIONS: [PerturbationKind; 4] = [
        PerturbationKind::LabelShuffle,
        PerturbationKind::RandomTargets,
        PerturbationKind::ImageNoise,
        PerturbationKind::UniformImages,
    ];

    fn perturb(
        &self,
        perturbation: &mut BatchPerturbation,
        images: &mut [Vec<f32>],
        labels: &mut [usize],
    ) {
        match perturbation.kind {
            PerturbationKind::LabelShuffle => {
                let order = perturbation.order(labels.len());
                let shuffled: Vec<usize> = order.iter().map(|index| labels[*index]).collect();
                labels.copy_from_slice(&shuffled);
            }
            PerturbationKind::RandomTargets => {
                let train = self.split.train.iter();
                let classes: BTreeSet<u8> =
                    train.map(|index| self.digits.labels()[*index]).collect();
                let classes: Vec<u8> = classes.into_iter().collect();
                for label in labels {
                    let drawn = perturbation.stream.below(classes.len() as u64) as usize;
                    *label = usize::from(classes[drawn]);
                }
            }
            PerturbationKind::ImageNoise => {
                for image in images {
                    *image = perturbation.normal(image.len(), 0.0, 1.0);
                }
            }
            PerturbationKind::UniformImages => images.iter_mut().for_each(|image| image.fill(0.5)),
            // The trainer's own.
            _ => {}
        }
    }
}

/// How far to move an image, down and right.
fn shift(stream: &mut Stream) -> (isize, isize) {
    let mut draw = || stream.below(3) as isize - 1;
    (draw(), draw())
}

impl<B, M> Task<B> for DigitsTask<B, M>
where
    B: AutodiffBackend,
    M: AutodiffModule<B> + Classifier<B>,
    M::InnerModule: Classifier<B::InnerBackend>,
{
    type Model = M;

    fn train_len(&self) -> usize {
        self.split.train.len()
    }

    fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.digits.fingerprint().as_bytes());
        for part in [&self.split.train, &self.split.valid, &self.split.test] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            for index in part {
                hasher.update(&(*index as u64).to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    fn loss(
        &self,
        model: &M,
        examples: &[usize],
        context: &mut StepContext<'_>,
    ) -> Result<Tensor<B, 1>, TaskError> {
        let examples = examples.iter().map(|index| self.split.train[*index]);
        let mut images = Vec::with_capacity(examples.len());
        let mut labels = Vec::with_capacity(examples.len());
        for index in examples {
            let shift = match self.augment {
                Augment::None => (0, 0),
                Augment::Shift => shift(context.rng.stream(Self::STREAM)?),
            };
            images.push(self.pixels(index, shift));
            labels.push(usize::from(self.digits.labels()[index]));
        }
        if let Some(perturbation) = &mut context.perturbation {
            self.perturb(perturbation, &mut images, &mut labels);
        }
        let logits = model.logits(self.images(images), Some(&context.dropout));
        Ok(cross_entropy(logits, &labels)?)
    }

    fn evaluate(&self, model: &M::InnerModule) -> Result<BTreeMap<String, f64>, TaskError> {
        let (mut loss, mut correct) = (0.0, 0_u64);
        self.judge(model, &self.split.valid, |_, found, image_loss| {
            loss += image_loss;
            correct += u64::from(found);
        });
        let n = self.split.valid.len() as f64;
        Ok(Self::METRICS
            .map(str::to_owned)
            .into_iter()
            .zip([loss / n, correct as f64 / n])
            .collect())
    }

    fn perturbations(&self) -> &[PerturbationKind] {
        &Self::PERTURBATIONS
    }

    fn metrics(&self) -> Option<BTreeSet<String>> {
        Some(Self::METRICS.map(str::to_owned).into())
    }
}
