use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use burn::{
    module::AutodiffModule,
    tensor::{
        Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use dacapo_models::{Bert, BertConfig, SentenceTokenizer};
use dacapo_ops::mean_square;
use dacapo_prefix::{ComputeError, FrozenPrefix, Limits, Place, PrefixCache, Samples};
use dacapo_rsa::Rdm;
use dacapo_things::{Split, Targets, object_name};
use dacapo_trainer::{Identity, PerturbationKind, StepContext, Task, TaskError};

use super::{Figures, SentenceRegressor, sentence_set::SentenceSet};
use crate::{
    CliError, config::SentencesConfig, heldout::Heldout, prefix_keeping::PrefixKeeping,
    regression_targets::RegressionTargets,
};

/// Sentences in one pass of an evaluation.
const EVALUATION_BATCH: usize = 64;

/// Bytes of kept rows that a set of sentences may take on the device.
const DEVICE: u64 = 4 << 30;

/// Predicting the similarity dimensions of THINGS' objects from their names: mean squared error;
/// R² and behavioural RSA of every epoch.
pub struct SentenceTask<B: AutodiffBackend> {
    set: SentenceSet,
    /// `[objects, 66]`.
    targets: RegressionTargets,
    split: Split,
    rsa: Option<(SentenceSet, Rdm)>,
    bert: BertConfig,
    prefix: FrozenPrefix<B::InnerBackend>,
    device: B::Device,
}

impl<B: AutodiffBackend> SentenceTask<B> {
    /// What `config` names, for an encoder of these sizes; all of it read and checked.
    ///
    /// # Errors
    /// Whatever cannot be read or does not fit, with file, row and name.
    pub fn new(
        config: &SentencesConfig,
        bert: &BertConfig,
        split_seed: u64,
        device: B::Device,
    ) -> Result<Self, CliError> {
        let tokenizer = match &config.tokenizer {
            Some(path) => path.clone(),
            None if config.is_random() => {
                return Err(CliError::input(
                    "sentences.weights = \"random\" needs sentences.tokenizer",
                    "Name a tokenizer.json or a vocab.txt, of at most the vocabulary of \
                     sentences.sizes",
                ));
            }
            None => folder_of(&config.weights),
        };
        let tokenizer = SentenceTokenizer::read(Path::new(&tokenizer), bert.context)?;
        if tokenizer.vocabulary() > bert.vocabulary {
            return Err(CliError::input(
                format!(
                    "sentences.tokenizer knows {} tokens, but the model has {}",
                    tokenizer.vocabulary(),
                    bert.vocabulary
                ),
                "Give the tokenizer that the model was trained with",
            ));
        }
        let tokenize = |targets: &Targets| {
            let names = targets.names().iter();
            let names: Vec<String> = names.map(|name| object_name(name)).collect();
            tokenizer.tokenize(&names)
        };
        let targets = Targets::read_things_csv(&config.targets)?;
        let heldout = Heldout::read(
            "sentences",
            config.rsa_targets.as_deref(),
            config.rsa_rdm.as_deref(),
        )?;
        let rsa = match heldout {
            None => None,
            Some(Heldout { targets, reference }) => {
                Some((SentenceSet::new(tokenize(&targets)?), reference))
            }
        };
        let limits = Limits {
            device: DEVICE,
            host: 0,
        };
        Ok(Self {
            set: SentenceSet::new(tokenize(&targets)?),
            split: Split::new(split_seed, targets.len(), config.train_fraction)?,
            targets: RegressionTargets::new(&targets),
            rsa,
            bert: bert.clone(),
            prefix: FrozenPrefix::new(PrefixCache::new(config.prefix_batch, limits)),
            device,
        })
    }

    /// Whether what comes before the first trainable tensor is kept from step to step, and where;
    /// `identity` is the run's. No bit depends on it.
    pub fn keep_prefix(&self, keeping: &PrefixKeeping, identity: &Identity) {
        let cache = self.prefix.cache();
        cache.keep(keeping.keep);
        cache.within(Limits {
            device: DEVICE,
            host: keeping.host,
        });
        if let Some(folder) = &keeping.folder {
            let parts = identity.parts().into_iter();
            // What comes behind the cut tells by where it is.
            let parts = parts.filter(|(name, _)| *name != "config_hash");
            let text: Vec<String> = parts
                .map(|(name, part)| format!("{name} {part}\n"))
                .collect();
            let text = format!("{} {:?}", text.concat(), self.prefix.trainable());
            let key = blake3::hash(text.as_bytes()).to_hex()[..32].to_owned();
            cache.in_folder(folder.clone(), key);
        }
    }

    /// Where the sentences' part before the first trainable tensor is, once it was asked for.
    pub fn prefix_place(&self) -> Option<Place> {
        self.prefix.cache().place(&self.set.hash)
    }

    /// The objects that are trained on and those that judge every epoch.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// How many objects the behavioural RSA compares; 0 without one.
    pub fn rsa_len(&self) -> usize {
        self.rsa.as_ref().map_or(0, |(set, _)| set.sentences.len())
    }

    /// The mean of each dimension over the objects that are trained on.
    pub fn target_means(&self) -> Vec<f32> {
        let train = self.split.train();
        let values = self.targets.of(train);
        let mean = |dimension: usize| {
            let places = (dimension..values.len()).step_by(Targets::DIMENSIONS);
            let sum: f64 = places.map(|at| f64::from(values[at])).sum();
            (sum / train.len() as f64) as f32
        };
        (0..Targets::DIMENSIONS).map(mean).collect()
    }

    /// The sentences of a batch, as the encoder takes them.
    fn batch<C: Backend<Device = B::Device>>(
        &self,
        set: &SentenceSet,
        indices: &[usize],
    ) -> Tensor<C, 2> {
        let batch = set.sentences.select(indices);
        let batch = batch.and_then(|batch| batch.tensor(&self.bert, &self.device));
        batch.expect("the tokenizer's ids and lengths are the model's, by SentenceTask::new")
    }

    /// Embeddings of every one of `indices` in evaluation mode, `EVALUATION_BATCH` at a time.
    fn embeddings(
        &self,
        encoder: &Bert<B::InnerBackend>,
        set: &SentenceSet,
        indices: &[usize],
    ) -> Result<Vec<Tensor<B::InnerBackend, 2>>, ComputeError> {
        let batches = indices.chunks(EVALUATION_BATCH).map(|batch| {
            let samples = Samples {
                set: &set.hash,
                len: set.sentences.len(),
                indices: batch,
            };
            let input = |indices: &[usize]| self.batch(set, indices);
            self.prefix.evaluate(encoder, &samples, input)
        });
        batches.collect()
    }

    fn predictions(
        &self,
        model: &SentenceRegressor<B::InnerBackend>,
        set: &SentenceSet,
        indices: &[usize],
    ) -> Result<Vec<f64>, TaskError> {
        let batches = self.embeddings(&model.encoder, set, indices)?;
        let predictions = batches.into_iter().map(|batch| model.predict(batch));
        Ok(numbers(predictions))
    }

    /// How good the model is.
    ///
    /// # Errors
    /// Those of the rows' cache and of the RSA, for which a model must tell objects apart.
    pub fn figures(
        &self,
        model: &SentenceRegressor<B::InnerBackend>,
    ) -> Result<Figures, TaskError> {
        let figures = self.valid_figures(model)?;
        match &self.rsa {
            None => Ok(figures),
            Some((set, reference)) => {
                let predictions = self.predictions(model, set, &set.all())?;
                Ok(figures.with_rsa(&predictions, Targets::DIMENSIONS, reference)?)
            }
        }
    }

    /// The same without RSA.
    ///
    /// # Errors
    /// Those of the rows' cache.
    pub fn valid_figures(
        &self,
        model: &SentenceRegressor<B::InnerBackend>,
    ) -> Result<Figures, TaskError> {
        let test = self.split.test();
        let predictions = self.predictions(model, &self.set, test)?;
        let targets = self.targets.of(test);
        Ok(Figures::of(&predictions, &targets, Targets::DIMENSIONS))
    }

    /// How good a [`Ridge`](super::Ridge) on the embeddings of `encoder` is, and its penalty, which the
    /// objects that are trained on choose among `alphas`.
    ///
    /// # Errors
    /// Those of the rows' cache and of the RSA.
    pub fn ridge(
        &self,
        encoder: &Bert<B::InnerBackend>,
        alphas: &[f64],
    ) -> Result<(f64, Figures), TaskError> {
        let embed = |set: &SentenceSet, indices: &[usize]| -> Result<Vec<f64>, TaskError> {
            Ok(numbers(self.embeddings(encoder, set, indices)?.into_iter()))
        };
        let (train, test) = (self.split.train(), self.split.test());
        let targets: Vec<f64> = self.targets.of(train).into_iter().map(f64::from).collect();
        let inputs = embed(&self.set, train)?;
        let ridge = super::Ridge::fit(&inputs, &targets, self.bert.d_model, alphas);
        let width = Targets::DIMENSIONS;
        let predictions = ridge.predict(&embed(&self.set, test)?);
        let figures = Figures::of(&predictions, &self.targets.of(test), width);
        let figures = match &self.rsa {
            None => figures,
            Some((set, reference)) => {
                let predictions = ridge.predict(&embed(set, &set.all())?);
                figures.with_rsa(&predictions, width, reference)?
            }
        };
        Ok((ridge.alpha(), figures))
    }
}

fn numbers<B: Backend>(batches: impl Iterator<Item = Tensor<B, 2>>) -> Vec<f64> {
    let mut numbers = Vec::new();
    for batch in batches {
        numbers.extend(batch.into_data().iter::<f64>());
    }
    numbers
}

/// The folder that a path leads to, or that its file lies in.
pub(super) fn folder_of(path: &str) -> String {
    let path = Path::new(path);
    let folder = match path.is_dir() {
        true => path,
        false => path.parent().unwrap_or(path),
    };
    folder.display().to_string()
}

impl<B: AutodiffBackend> Task<B> for SentenceTask<B> {
    type Model = SentenceRegressor<B>;

    fn prepare(&mut self, trainable: &BTreeSet<String>) {
        let encoder = trainable.iter();
        let encoder = encoder.filter_map(|path| path.strip_prefix("encoder."));
        self.prefix.prepare(encoder.map(str::to_owned).collect());
    }

    fn train_len(&self) -> usize {
        self.split.train().len()
    }

    fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.set.hash.as_bytes());
        for value in self.targets.values() {
            hasher.update(&value.to_le_bytes());
        }
        for part in [self.split.train(), self.split.test()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            for index in part {
                hasher.update(&(*index as u64).to_le_bytes());
            }
        }
        if let Some((set, reference)) = &self.rsa {
            hasher.update(set.hash.as_bytes());
            for value in reference.values() {
                hasher.update(&value.to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    fn loss(
        &self,
        model: &SentenceRegressor<B>,
        examples: &[usize],
        context: &mut StepContext<'_>,
    ) -> Result<Tensor<B, 1>, TaskError> {
        let examples = examples.iter().map(|index| self.split.train()[*index]);
        let examples: Vec<usize> = examples.collect();
        let mut targets = self.targets.of(&examples);
        if let Some(perturbation) = &mut context.perturbation {
            self.targets.perturb(perturbation, &mut targets);
        }
        let targets = TensorData::new(targets, [examples.len(), Targets::DIMENSIONS]);
        let targets = Tensor::<B, 2>::from_data(targets, &self.device);
        let samples = Samples {
            set: &self.set.hash,
            len: self.set.sentences.len(),
            indices: &examples,
        };
        let input = |indices: &[usize]| self.batch(&self.set, indices);
        let embeddings =
            self.prefix
                .forward(&model.encoder, &samples, input, Some(&context.dropout))?;
        let error = model.predict(embeddings) - targets;
        Ok(mean_square(error))
    }

    fn evaluate(
        &self,
        model: &<SentenceRegressor<B> as AutodiffModule<B>>::InnerModule,
    ) -> Result<BTreeMap<String, f64>, TaskError> {
        let figures = self.figures(model)?;
        let mut metrics = BTreeMap::from([
            (VALID_LOSS.to_owned(), figures.valid_loss),
            (R2.to_owned(), figures.r2_mean()),
        ]);
        if let Some([rho, p]) = figures.rsa {
            metrics.insert(RSA_RHO.to_owned(), rho);
            metrics.insert(RSA_P.to_owned(), p);
        }
        Ok(metrics)
    }

    fn perturbations(&self) -> &[PerturbationKind] {
        RegressionTargets::PERTURBATIONS
    }

    fn metrics(&self) -> Option<BTreeSet<String>> {
        let rsa = self.rsa.as_ref().map(|_| [RSA_RHO, RSA_P]);
        let names = [VALID_LOSS, R2]
            .into_iter()
            .chain(rsa.into_iter().flatten());
        Some(names.map(str::to_owned).collect())
    }
}

const VALID_LOSS: &str = "valid_loss";
/// Mean over the dimensions.
const R2: &str = "valid_r2";
const RSA_RHO: &str = "rsa_rho";
const RSA_P: &str = "rsa_p";
