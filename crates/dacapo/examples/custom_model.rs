//! A network of one's own: patches of images, positions, a stack of blocks, a head. DoRA on its end
//! with ranks by pattern, the frozen beginning computed once per image, early stopping by accuracy,
//! and two runs compared leaf by leaf.
//!
//!     cargo run --release --example custom_model [EMPTY-FOLDER]

use std::collections::{BTreeMap, BTreeSet};
use std::{error::Error, io, io::Write, num::NonZeroUsize, path::Path, process};

use dacapo::burn::tensor::{Int, Tensor, TensorData, activation::gelu, backend::Backend};
use dacapo::burn::{self, module::Module, nn::LayerNorm, nn::LayerNormConfig};
use dacapo::burn_flex::{Flex, FlexDevice};
use dacapo::compute::Cpu;
use dacapo::dora::{
    AttachPlan, ConvGeometry, DoraConfig, DoraConv2d, DoraEmbedding, DoraLinear, DoraTargets,
    KeyedDropout, attach,
};
use dacapo::models::{count_correct, cross_entropy};
use dacapo::optim::AdamWConfig;
use dacapo::prefix::{
    FrozenPrefix, Limits, PrefixCache, Samples, SplitForward, first_trainable_layer,
};
use dacapo::rng::{DropoutKey, RngHub, Stream};
use dacapo::trainer::{
    CheckpointPolicy, Direction, EarlyStoppingConfig, Outcome, RunFolder, STREAMS, StepContext,
    Task, TaskError, TrainerRecord, TrainerSettings, run,
};

const SIDE: usize = 8;
/// Patches of 2x2 pixels.
const PATCHES: usize = 16;
const WIDTH: usize = 16;
const CLASSES: usize = 4;

/// Fields that are no targets of DoRA, such as the norm, are left alone.
#[derive(Module, Debug, DoraTargets)]
#[dora(crate = "dacapo::dora")]
struct Block<B: Backend> {
    norm: LayerNorm<B>,
    up: DoraLinear<B>,
    down: DoraLinear<B>,
    #[module(skip)]
    dropout: KeyedDropout,
}

#[derive(Module, Debug, DoraTargets)]
#[dora(crate = "dacapo::dora")]
struct Net<B: Backend> {
    patches: DoraConv2d<B>,
    positions: DoraEmbedding<B>,
    #[dora(nested)] // A compile error if somebody removes the derive of `Block`.
    blocks: Vec<Block<B>>,
    head: DoraLinear<B>,
}

impl<B: Backend> Block<B> {
    fn forward(&self, x: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 3> {
        let hidden = gelu(self.up.forward(self.norm.forward(x.clone()), dropout));
        x + self
            .dropout
            .apply(self.down.forward(hidden, dropout), dropout)
    }
}

impl<B: Backend> Net<B> {
    /// Everything is drawn from `stream`: Burn's initialisers share one generator of the process.
    fn init(stream: &mut Stream, device: &B::Device) -> Self {
        let geometry = ConvGeometry {
            stride: [2; 2],
            ..ConvGeometry::default()
        };
        Self {
            patches: DoraConv2d::init([1, WIDTH], [2; 2], true, geometry, stream, device),
            positions: DoraEmbedding::init(PATCHES, WIDTH, stream, device),
            blocks: (0..4)
                .map(|at| Block {
                    norm: LayerNormConfig::new(WIDTH).init(device),
                    up: DoraLinear::init(WIDTH, 2 * WIDTH, true, stream, device),
                    down: DoraLinear::init(2 * WIDTH, WIDTH, true, stream, device),
                    dropout: KeyedDropout::new(0.1, format!("blocks.{at}.dropout")),
                })
                .collect(),
            head: DoraLinear::init(PATCHES * WIDTH, CLASSES, true, stream, device),
        }
    }
}

/// Images `[n, 1, 8, 8]` to logits `[n, classes]`. It can be cut before every block.
impl<B: Backend> SplitForward<B, 4> for Net<B> {
    type Output = Tensor<B, 2>;
    type Cut = usize;

    fn start() -> usize {
        0
    }

    fn cut(&self, trainable: &BTreeSet<String>) -> Option<usize> {
        let before = |path: &String| path.starts_with("patches.") || path.starts_with("positions.");
        let nothing_before = !trainable.iter().any(before);
        nothing_before.then(|| first_trainable_layer("blocks", self.blocks.len(), trainable))
    }

    fn prefix(
        &self,
        images: Tensor<B, 4>,
        cut: usize,
        dropout: Option<&DropoutKey>,
    ) -> Vec<Tensor<B, 3>> {
        let ids = Tensor::<B, 1, Int>::arange(0..PATCHES as i64, &images.device());
        let positions = self.positions.forward(ids.unsqueeze());
        let patches = self.patches.forward(images, dropout);
        let x = patches.flatten::<3>(2, 3).swap_dims(1, 2) + positions;
        let begin = self.blocks[..cut].iter();
        vec![begin.fold(x, |x, block| block.forward(x, dropout))]
    }

    fn suffix(
        &self,
        parts: Vec<Tensor<B, 3>>,
        cut: usize,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 2> {
        let [x] = <[_; 1]>::try_from(parts).expect("`prefix` gives one part");
        let end = self.blocks[cut..].iter();
        let x = end.fold(x, |x, block| block.forward(x, dropout));
        self.head.forward(x.flatten::<2>(1, 2), dropout)
    }
}

/// In which corner of a noisy image is it brighter?
struct Corners {
    images: Vec<[f32; SIDE * SIDE]>,
    labels: Vec<usize>,
    prefix: FrozenPrefix<Flex>,
}

const TRAIN: usize = 192;
const VALID: usize = 96;

impl Corners {
    /// With `keep`, what comes before the first adapter is computed once per image and kept; the
    /// bits are the same without.
    fn new(keep: bool) -> Self {
        let mut stream = Stream::named(5, "corners");
        let labels: Vec<usize> = (0..TRAIN + VALID).map(|at| at % CLASSES).collect();
        let image = |label: &usize| {
            let (down, right) = (label / 2 * 4, label % 2 * 4);
            std::array::from_fn(|pixel| {
                let (y, x) = (pixel / SIDE, pixel % SIDE);
                let inside = (down..down + 4).contains(&y) && (right..right + 4).contains(&x);
                stream.uniform_f32() + if inside { 0.4 } else { 0.0 }
            })
        };
        let images = labels.iter().map(image).collect();
        let micro_batch = NonZeroUsize::new(16).expect("not 0");
        let cache = PrefixCache::new(
            micro_batch,
            Limits {
                device: 0,
                host: 64 << 20,
            },
        );
        cache.keep(keep);
        Self {
            images,
            labels,
            prefix: FrozenPrefix::new(cache),
        }
    }

    /// `[n, 1, 8, 8]`
    fn batch(&self, images: impl Iterator<Item = usize>) -> Tensor<Flex, 4> {
        let pixels: Vec<f32> = images.flat_map(|index| self.images[index]).collect();
        let n = pixels.len() / (SIDE * SIDE);
        Tensor::from_data(TensorData::new(pixels, [n, 1, SIDE, SIDE]), &FlexDevice)
    }
}

impl Task<Cpu> for Corners {
    type Model = Net<Cpu>;

    fn prepare(&mut self, trainable: &BTreeSet<String>) {
        self.prefix.prepare(trainable.clone());
    }

    fn train_len(&self) -> usize {
        TRAIN
    }

    fn fingerprint(&self) -> String {
        let pixels = self.images.iter().flatten();
        let pixels: Vec<u8> = pixels.flat_map(|pixel| pixel.to_le_bytes()).collect();
        let labels: Vec<u8> = self.labels.iter().map(|label| *label as u8).collect();
        dacapo::trainer::fingerprint([&pixels[..], &labels[..TRAIN], &labels[TRAIN..]])
    }

    fn loss(
        &self,
        model: &Net<Cpu>,
        examples: &[usize],
        context: &mut StepContext<'_>,
    ) -> Result<Tensor<Cpu, 1>, TaskError> {
        let samples = Samples {
            set: "train",
            len: TRAIN,
            indices: examples,
        };
        let load = |some: &[usize]| self.batch(some.iter().copied());
        let dropout = Some(&context.dropout);
        let logits = self.prefix.forward(model, &samples, load, dropout)?;
        let labels: Vec<usize> = examples.iter().map(|index| self.labels[*index]).collect();
        Ok(cross_entropy(logits, &labels)?)
    }

    fn evaluate(&self, model: &Net<Flex>) -> Result<BTreeMap<String, f64>, TaskError> {
        let all = Vec::from_iter(0..VALID);
        let samples = Samples {
            set: "valid",
            len: VALID,
            indices: &all,
        };
        let load = |some: &[usize]| self.batch(some.iter().map(|index| TRAIN + index));
        let logits = self.prefix.evaluate(model, &samples, load)?;
        let labels = &self.labels[TRAIN..];
        let correct = count_correct(logits.clone(), labels)? as f64;
        let loss = cross_entropy(logits, labels)?.into_scalar();
        Ok(BTreeMap::from([
            ("valid_loss".to_owned(), loss.into()),
            ("valid_accuracy".to_owned(), correct / VALID as f64),
        ]))
    }

    fn metrics(&self) -> Option<BTreeSet<String>> {
        Some(["valid_loss", "valid_accuracy"].map(str::to_owned).into())
    }
}

/// Trains in `folder` until accuracy has not risen for four epochs.
fn train(
    folder: &RunFolder,
    seed: u64,
    keep: bool,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    // The base is always the same; adapters, order and dropout are the seed's.
    let base = Net::<Cpu>::init(&mut Stream::named(1, "base"), &FlexDevice);
    let mut rng = RngHub::new(seed, STREAMS);
    let plan = AttachPlan::new(
        &["blocks.2.*", "blocks.3.*", "head"],
        &DoraConfig::peft(4, 8.0),
    )
    .with_rank("*.up", 8)
    .with_rank("head", 2)
    .with_alpha("blocks.3.*", 16.0);
    let (model, adapted) = attach(base, &plan, rng.stream("init")?)?;
    let settings = TrainerSettings {
        optimizer: AdamWConfig {
            lr: 5e-3,
            ..AdamWConfig::default()
        }
        .into(),
        early_stopping: EarlyStoppingConfig {
            monitor: "valid_accuracy".to_owned(),
            direction: Direction::Max,
            patience: 4,
            ..EarlyStoppingConfig::default()
        },
        config: format!("dropout of blocks 0.1, {plan:?}"),
        ..TrainerSettings::new(40, 16)
    };
    let task = Corners::new(keep);
    let mut trainer =
        dacapo::run_parts::<Cpu, _>(task, model, settings, rng, &FlexDevice).open(folder)?;
    let cut = trainer.task().prefix.cut(trainer.model());
    let outcome = run(
        &mut trainer,
        folder,
        &CheckpointPolicy::default(),
        None,
        &mut (),
    )?;

    let place = trainer.task().prefix.cache().place("train");
    writeln!(out, "adapters on {}", adapted.join(", "))?;
    writeln!(out, "  cut before block {cut:?}, rows kept: {place:?}")?;
    let history = trainer.history();
    for row in [&history[0], &history[history.len() - 1]] {
        let (loss, accuracy) = (row.metrics["train_loss"], row.metrics["valid_accuracy"]);
        writeln!(
            out,
            "  epoch {:2}  train_loss {loss:.4}  valid_accuracy {accuracy:.3}",
            row.epoch
        )?;
    }
    if outcome == Outcome::StoppedEarly {
        let best = trainer.early_stopping().best_epoch.unwrap_or_default();
        writeln!(out, "  stopped early; the best epoch was {best}")?;
    }
    Ok(())
}

/// Three runs in the empty folder `root`, compared.
pub fn example(root: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let [kept, anew, other] = ["kept", "anew", "other"].map(|name| RunFolder::new(root.join(name)));
    train(&kept, 1, true, out)?;
    train(&anew, 1, false, out)?;
    train(&other, 2, true, out)?;

    let tree = |folder: &RunFolder| -> Result<_, Box<dyn Error>> {
        let latest = folder.latest()?.ok_or("a run without a checkpoint")?;
        Ok(folder.tree(&latest)?)
    };
    let baseline = tree(&kept)?;
    let same = baseline.diff(&tree(&anew)?, TrainerRecord::INFORMATIONAL);
    writeln!(out, "kept and computed anew: {same}")?;
    assert!(same.is_equal());
    let unlike = baseline.diff(&tree(&other)?, TrainerRecord::INFORMATIONAL);
    writeln!(out, "another seed: {}", unlike.display(3))?;
    assert!(!unlike.is_equal());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args().nth(1).map(Into::into);
    let fresh = format!("dacapo-custom-model-{}", process::id());
    let root = root.unwrap_or_else(|| std::env::temp_dir().join(fresh));
    example(&root, &mut io::stdout())?;
    println!("the runs are in {}", root.display());
    Ok(())
}
