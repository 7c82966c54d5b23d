//! What exactness costs: the CLIP-HBA run of a configuration by the same task, the same trainer and
//! the same kept rows, but with every operation on Burn's own kernels, with autotune and fusion on.
//!
//! It tells of each step as `dacapo -vv train` does, so that both are timed in the same way. Nothing
//! is written: no checkpoint, no history.

use std::{error::Error, num::NonZeroUsize, path::PathBuf, process::ExitCode};

use burn::{backend::Autodiff, tensor::backend::Backend};
use burn_cuda::CudaDevice;
use clap::Parser;
use cubecl::config::{
    CubeClRuntimeConfig, RuntimeConfig, autotune::AutotuneLogLevel, cache::CacheConfig,
};
use dacapo::{
    PrefixKeeping,
    clip_hba::ClipTask,
    config::{RunConfig, load_config},
    dora::attach,
    models::Clip,
    rng::RngHub,
    trainer::{Identity, STREAMS, Trainer},
};

type Inexact = Autodiff<burn_cuda::Cuda>;

/// Trains the CLIP of a configuration with autotune and fusion, for its speed alone.
#[derive(Parser)]
struct Args {
    /// As for `dacapo train`, with `[clip]`, random weights, DoRA and products in f32.
    config: PathBuf,
    /// Optimizer steps, then the program ends.
    #[arg(long, default_value_t = 16)]
    steps: u64,
    /// Where to keep compiled kernels and what was tuned: the first run compiles and tries hundreds of
    /// kernels.
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Where to write what is tuned, as it is: which kernel was chosen for what, and how long each took.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Which GPU.
    #[arg(long, default_value_t = 0)]
    gpu: usize,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut settings = CubeClRuntimeConfig::default();
    if let Some(folder) = &args.cache {
        settings.compilation.cache = Some(CacheConfig::File(folder.clone()));
        settings.autotune.cache = CacheConfig::File(folder.clone());
    }
    if let Some(file) = &args.log {
        settings.autotune.logger.file = Some(file.clone());
        settings.autotune.logger.level = AutotuneLogLevel::Full;
    }
    CubeClRuntimeConfig::set(settings);
    let device = CudaDevice::new(args.gpu);
    let config = load_config(RunConfig::default(), Some(&args.config), &[])?;
    let mut trainer = set_up(&config, &device)?;
    trainer.task().keep_prefix(
        &PrefixKeeping {
            keep: true,
            host: 0,
            folder: None,
        },
        trainer.identity(),
    );
    for _ in 0..args.steps {
        let Some(report) = trainer.step()? else { break };
        eprintln!("step={} loss={}", report.step, report.loss);
    }
    Ok(())
}

fn set_up(
    config: &RunConfig,
    device: &CudaDevice,
) -> Result<Trainer<Inexact, ClipTask<Inexact>>, Box<dyn Error>> {
    let clip = config
        .clip
        .as_ref()
        .ok_or("the configuration has no [clip]")?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let seed = config.data.split_seed;
    let task = ClipTask::new(clip, seed, threads, device.clone(), |_, _| ())?;

    let mut rng = RngHub::new(config.run.seed, STREAMS);
    let model = Clip::init(&clip.model(), rng.stream("init")?, device)?;
    let (model, _) = attach(model, &config.adapt.plan(), rng.stream("init")?)?;

    let schedule = config.scheduler.resolved(u64::MAX)?;
    let settings = config.trainer_settings(schedule, String::new());
    Ok(Trainer::new(
        task,
        model,
        settings,
        identity(device),
        rng,
        device.clone(),
    )?)
}

/// Of a run that nothing can resume; it only has to differ from an exact one's.
fn identity(device: &CudaDevice) -> Identity {
    Identity {
        base_hash: String::new(),
        config_hash: String::new(),
        dacapo: "inexact".to_owned(),
        burn: "0.21.0".to_owned(),
        backend: <Inexact as Backend>::name(device),
        device: format!("{device:?}"),
        precision: "f32".to_owned(),
        kernel_plan: "Burn's".to_owned(),
        cargo_features: Vec::new(),
        cpu_features: Vec::new(),
        platform: String::new(),
        numerics: String::new(),
    }
}
