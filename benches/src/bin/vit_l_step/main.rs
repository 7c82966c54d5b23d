//! One training step of ViT-L/14 with DoRA on every linear layer of every block, by dacapo's own
//! trainer: forward, cross-entropy, backward, AdamW. `benches/python/vit_l_step.py` is the same in
//! PyTorch.
//!
//! Images [64, 224, 224] of one channel, patches of 14x14, 24 blocks of width 1024, 16 heads, MLP
//! 4096; adapters of rank 16 on the six linear layers of each block: 432 tensors. Weights and
//! images are random. Each row has a hash of the complete state after its last step: two runs must
//! give the same.

mod stall;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use clap::Parser;
use dacapo::compute::{Compute, DeviceName};
use dacapo::dora::{AdapterInit, DoraConfig, Flavour, attach_matching};
use dacapo::models::{Vit, VitConfig, cross_entropy};
use dacapo::ops::Precision;
use dacapo::optim::{AdamWConfig, Schedule};
use dacapo::rng::{RngHub, Stream};
use dacapo::trainer::{
    EarlyStoppingConfig, Info, ResetOptimizer, STREAMS, ScheduleUnit, StepContext, Task, TaskError,
    Trainer, TrainerRecord, TrainerSettings,
};
use dacapo_benches::gpu::{Report, configure, median};
use serde_json::json;

/// The command line.
#[derive(Parser, Clone, Debug)]
struct Args {
    /// Where to write the figures.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to compute: cpu, or cuda:N in a build with the feature `cuda`.
    #[arg(long, default_value = "cuda:0")]
    device: DeviceName,
    /// A tiny network: does it run at all?
    #[arg(long)]
    quick: bool,
    /// Which DoRA: peft, clip-hba; one measurement for each flavour and precision.
    #[arg(long, value_delimiter = ',', default_value = "peft,clip-hba", value_parser = flavour)]
    flavours: Vec<Flavour>,
    /// How matrices are multiplied: f32, tf32, bf16.
    #[arg(long, value_delimiter = ',', default_value = "tf32,bf16,f32")]
    precisions: Vec<Precision>,
    /// Images in a step.
    #[arg(long)]
    batch: Option<usize>,
    /// Transformer blocks.
    #[arg(long)]
    blocks: Option<usize>,
    /// Steps before the clock starts: they compile the kernels and fill the memory pools.
    #[arg(long, default_value_t = 2)]
    warm_up: usize,
    /// Steps that a median is taken of.
    #[arg(long, default_value_t = 6)]
    steps: usize,
    /// Start no further measurement after this many seconds.
    #[arg(long, default_value_t = 300)]
    budget: u64,
    /// Measure what checkpoints cost, too: this many blocks of steps without and with them.
    #[arg(long, default_value_t = 0)]
    stall_blocks: usize,
    /// Where those checkpoints go; the system's folder for temporary files if not given.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Keep compiled kernels in this folder.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Time every kernel instead of the step, and append tables to this file; the last one is
    /// of the last step.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

fn flavour(text: &str) -> Result<Flavour, String> {
    let all = [Flavour::Peft, Flavour::ClipHba];
    let found = all.into_iter().find(|flavour| name(*flavour) == text);
    found.ok_or_else(|| format!("{text:?} is no flavour; use peft or clip-hba"))
}

/// As configurations write it.
fn name(flavour: Flavour) -> String {
    let name = json!(flavour);
    name.as_str().unwrap_or_default().to_owned()
}

/// The network's sizes, and the batch.
struct Size {
    vit: VitConfig,
    rank: usize,
    batch: usize,
}

impl Size {
    fn new(args: &Args) -> Self {
        let mut size = match args.quick {
            true => Self {
                vit: VitConfig {
                    image_size: 28,
                    patch_size: 14,
                    d_model: 32,
                    blocks: 2,
                    heads: 4,
                    d_mlp: 64,
                    classes: 10,
                    dropout: 0.0,
                },
                rank: 4,
                batch: 4,
            },
            false => Self {
                vit: VitConfig {
                    image_size: 224,
                    patch_size: 14,
                    d_model: 1024,
                    blocks: 24,
                    heads: 16,
                    d_mlp: 4096,
                    classes: 1000,
                    dropout: 0.0,
                },
                rank: 16,
                batch: 64,
            },
        };
        size.batch = args.batch.unwrap_or(size.batch);
        size.vit.blocks = args.blocks.unwrap_or(size.vit.blocks);
        size
    }
}

/// Random images, always the same, on the device from the start.
struct Images<B: Backend> {
    images: Tensor<B, 3>,
    classes: usize,
}

impl<B: AutodiffBackend> Task<B> for Images<B> {
    type Model = Vit<B>;

    /// More than any number of steps needs, so that no epoch ends.
    fn train_len(&self) -> usize {
        self.images.dims()[0] * 1000
    }

    fn fingerprint(&self) -> String {
        "random images".to_owned()
    }

    fn loss(
        &self,
        model: &Vit<B>,
        examples: &[usize],
        context: &mut StepContext<'_>,
    ) -> Result<Tensor<B, 1>, TaskError> {
        let targets: Vec<usize> = (0..examples.len()).map(|i| i % self.classes).collect();
        let logits = model.forward(self.images.clone(), Some(&context.dropout));
        Ok(cross_entropy(logits, &targets)?)
    }

    fn evaluate(&self, _: &Vit<B::InnerBackend>) -> Result<BTreeMap<String, f64>, TaskError> {
        Err("no epoch of a benchmark ends".into())
    }
}

fn settings(batch_size: usize) -> TrainerSettings {
    TrainerSettings {
        training_run: 1,
        epochs: 1,
        batch_size,
        accumulation: 1,
        virtual_shards: 1,
        shuffle: false,
        drop_last: false,
        reset_optimizer: ResetOptimizer::Never,
        trainable: vec!["*.adapter.*".to_owned()],
        optimizer: AdamWConfig {
            lr: 1e-4,
            ..AdamWConfig::default()
        }
        .into(),
        schedule: Schedule::Constant {},
        schedule_unit: ScheduleUnit::Step,
        early_stopping: EarlyStoppingConfig::default(),
        perturbation: None,
        parent: None,
        config: String::new(),
    }
}

/// What a measurement starts from.
struct Base<B: Compute> {
    vit: Vit<B>,
    images: Tensor<B, 3>,
    device: B::Device,
    size: Size,
}

impl<B: Compute> Base<B> {
    fn new(size: Size, device: &B::Device) -> Result<Self, Box<dyn Error>> {
        let vit = Vit::init(&size.vit, &mut Stream::named(42, "init"), device)?;
        let side = size.vit.image_size;
        let mut pixels = Stream::named(7, "images");
        let pixels: Vec<f32> = (0..size.batch * side * side)
            .map(|_| pixels.uniform_f64() as f32)
            .collect();
        let images = TensorData::new(pixels, [size.batch, side, side]);
        Ok(Self {
            vit,
            images: Tensor::from_data(images, device),
            device: device.clone(),
            size,
        })
    }

    /// Before the first step, or at the state of `record`.
    fn trainer(
        &self,
        flavour: Flavour,
        precision: Precision,
        record: Option<TrainerRecord>,
    ) -> Result<Trainer<B, Images<B>>, Box<dyn Error>> {
        let dora = DoraConfig {
            flavour,
            rank: self.size.rank,
            alpha: 2.0 * self.size.rank as f64,
            dropout: 0.0,
            rslora: false,
            init: AdapterInit::Kaiming,
        };
        let mut rng = RngHub::new(42, STREAMS);
        let blocks = ["blocks.*".to_owned()];
        let vit = self.vit.clone().with_precision(precision);
        let (vit, _) = attach_matching(vit, &blocks, &dora, rng.stream("init")?)?;
        let task = Images {
            images: self.images.clone(),
            classes: self.size.vit.classes,
        };
        let identity = dacapo::identity_in::<B>("benchmark", &self.device, precision);
        let settings = settings(self.size.batch);
        let device = self.device.clone();
        Ok(match record {
            None => Trainer::new(task, vit, settings, identity, rng, device)?,
            Some(record) => {
                Trainer::resume(task, vit, settings, identity, rng, device, record, false)?
            }
        })
    }
}

/// What a device tells about its memory.
struct Memory<'a> {
    /// Gives back what is not in use.
    clean: &'a dyn Fn(),
    /// Bytes taken from the device.
    reserved: &'a dyn Fn() -> Option<u64>,
}

fn run<B: Compute>(
    args: &Args,
    device: &B::Device,
    memory: &Memory<'_>,
) -> Result<(), Box<dyn Error>> {
    let mut report = Report::new("vit_l_step", args.json.clone());
    let start = Instant::now();
    let base = Base::<B>::new(Size::new(args), device)?;
    B::sync(device)?;
    report.set("setup_s", json!(start.elapsed().as_secs_f64()));
    for &flavour in &args.flavours {
        for &precision in &args.precisions {
            let name = format!("{} {precision}", name(flavour));
            if start.elapsed() > Duration::from_secs(args.budget) {
                report.skip(&name, "out of time (--budget)");
            } else if let Err(error) = B::check_precision(device, precision) {
                report.skip(&name, &error.to_string());
            } else {
                (memory.clean)();
                measure(args, &base, flavour, precision, memory, &mut report)?;
            }
        }
    }
    Ok(())
}

fn measure<B: Compute>(
    args: &Args,
    base: &Base<B>,
    flavour: Flavour,
    precision: Precision,
    memory: &Memory<'_>,
    report: &mut Report,
) -> Result<(), Box<dyn Error>> {
    let mut trainer = base.trainer(flavour, precision, None)?;
    let mut seconds = Vec::new();
    let mut loss = 0.0;
    for _ in 0..args.warm_up + args.steps {
        let start = Instant::now();
        loss = trainer.step()?.ok_or("the run has ended")?.loss;
        B::sync(&base.device)?;
        seconds.push(start.elapsed().as_secs_f64());
        let ms = 1e3 * seconds[seconds.len() - 1];
        println!(
            "{} {precision}: step {ms:8.1} ms, loss {loss:.6}",
            name(flavour)
        );
    }
    if args.profile.is_some() {
        // The log is written by another thread.
        std::thread::sleep(Duration::from_secs(2));
        return Ok(());
    }
    let reserved = (memory.reserved)();
    let (warm_up, timed) = seconds.split_at(args.warm_up);
    let trained = trainer.trainable();
    let numbers: usize = trained
        .values()
        .map(|spec| spec.shape.iter().product::<usize>())
        .sum();
    let tensors = trained.len();
    let facts = B::facts(&base.device, precision);
    let state = trainer
        .to_record(Info::default())?
        .state_hash::<B::InnerBackend>()?;
    let stall = match args.stall_blocks {
        0 => None,
        _ => {
            let resume = |record| base.trainer(flavour, precision, Some(record));
            Some(stall::measure(args, &mut trainer, &base.device, resume)?)
        }
    };
    report.row(json!({
        "who": format!("dacapo {}", name(flavour)),
        "checkpoint": stall,
        "precision": facts.precision,
        "kernel_plan": facts.kernel_plan,
        "compile": "fixed kernels",
        "batch": base.size.batch,
        "blocks": base.size.vit.blocks,
        "tensors": tensors,
        "numbers": numbers,
        "steps": timed.len(),
        "median_ms": 1e3 * median(timed),
        "fastest_ms": 1e3 * timed.iter().copied().fold(f64::INFINITY, f64::min),
        "warm_up_s": warm_up.iter().sum::<f64>(),
        "reserved_gib": reserved.map(|bytes| bytes as f64 / f64::from(1 << 30)),
        "loss": loss,
        "state": state,
    }));
    Ok(())
}

#[cfg(feature = "cuda")]
fn run_cuda(args: &Args, index: usize) -> Result<(), Box<dyn Error>> {
    use cubecl::prelude::Runtime;

    let device = burn_cuda::CudaDevice { index };
    let client = cubecl::cuda::CudaRuntime::client(&device);
    // Pools never shrink by themselves: what they hold at the end is the most they ever held.
    let memory = Memory {
        clean: &|| client.memory_cleanup(),
        reserved: &|| Some(client.memory_usage().ok()?.bytes_reserved),
    };
    run::<dacapo::compute::Cuda>(args, &device, &memory)
}

#[cfg(not(feature = "cuda"))]
fn run_cuda(_: &Args, _: usize) -> Result<(), Box<dyn Error>> {
    Err("built without the feature `cuda`; use --device cpu".into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    configure(args.cache.as_deref(), args.profile.as_deref());
    match args.device {
        DeviceName::Cpu => {
            let memory = Memory {
                clean: &|| {},
                reserved: &|| None,
            };
            run::<dacapo::compute::Cpu>(&args, &burn_flex::FlexDevice, &memory)
        }
        DeviceName::Cuda(index) => run_cuda(&args, index),
        DeviceName::CudaLocal => run_cuda(&args, 0),
    }
}
