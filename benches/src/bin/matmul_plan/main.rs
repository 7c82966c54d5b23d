//! Times every matmul strategy that a kernel plan could name, on one GPU.
//!
//! ```text
//! matmul_plan [--seconds 90] [--workers N] [--cases fc1,proj] [--only Tma,Unit] [--json FILE] [--cache DIR]
//! ```
//!
//! For each case (shape and layout), precision and candidate it prints TF/s of the median of 12
//! samples, the largest error of 1024 elements against sums in f64 (over their root mean
//! square: near 1e-6 is IEEE f32, near 1e-3 is TF32) and whether the first and the last result
//! had equal bits. Kernels are compiled by several processes first, into a cache in `--cache`
//! that a second call finds again.
//!
//! Without a GPU it runs with the feature `wgpu`, which shows only that it works.

mod bench;
mod candidate;
mod case;
mod data;
mod report;
mod warm;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cubecl::Runtime;
use cubecl::config::cache::CacheConfig;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

use bench::{Bench, Expected};
use candidate::{Choice, Precision, candidates};
use case::{Case, cases};
use data::Data;
use report::{Outcome, Row};

#[cfg(feature = "cuda")]
type Device = cubecl::cuda::CudaRuntime;
#[cfg(not(feature = "cuda"))]
type Device = cubecl::wgpu::WgpuRuntime;

/// The command line.
#[derive(Clone)]
struct Args {
    seconds: u64,
    workers: usize,
    cases: Vec<String>,
    /// Candidates whose names hold one of these; all if there is none.
    only: Vec<String>,
    json: PathBuf,
    cache: PathBuf,
    /// Set in a process that only compiles: its number and the first job that it takes.
    worker: Option<(usize, usize)>,
}

/// One candidate on one case.
struct Job {
    case: Case,
    precision: Precision,
    choice: Choice,
}

fn parse() -> Result<Args, String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut args = Args {
        seconds: 90,
        // The feature `wgpu` has no cache that a process could fill for another.
        workers: if cfg!(feature = "cuda") {
            cores.min(16)
        } else {
            0
        },
        cases: Vec::new(),
        only: Vec::new(),
        json: "matmul_plan.json".into(),
        cache: "matmul_plan_cache".into(),
        worker: None,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or(format!("{name} needs a value"))?;
        let number = || {
            value
                .parse()
                .map_err(|_| format!("{name} {value}: not a number"))
        };
        match name.as_str() {
            "--seconds" => args.seconds = number()?,
            "--workers" => args.workers = number()? as usize,
            "--cases" => args.cases = value.split(',').map(str::to_owned).collect(),
            "--only" => {
                let parts = value.split(',').filter(|part| !part.is_empty());
                args.only = parts.map(str::to_owned).collect();
            }
            "--json" => args.json = value.into(),
            "--cache" => args.cache = value.into(),
            "--worker" => {
                let parts: Vec<usize> = value.split('/').filter_map(|v| v.parse().ok()).collect();
                let [worker, from] = parts[..] else {
                    return Err(format!("--worker {value}: expected NUMBER/FROM"));
                };
                args.worker = Some((worker, from));
            }
            _ => return Err(format!("unknown option {name}; see the top of the source")),
        }
    }
    Ok(args)
}

fn jobs(args: &Args) -> Vec<Job> {
    let wanted = |case: &Case| {
        args.cases.is_empty()
            || args
                .cases
                .iter()
                .any(|name| case.name.starts_with(name.as_str()))
    };
    let mut jobs = Vec::new();
    for case in cases().into_iter().filter(wanted) {
        for (precision, choice) in candidates(&case) {
            let name = choice.name();
            if !args.only.is_empty() && !args.only.iter().any(|part| name.contains(part.as_str())) {
                continue;
            }
            jobs.push(Job {
                case,
                precision,
                choice,
            });
        }
    }
    jobs
}

fn main() -> ExitCode {
    let args = match parse() {
        Ok(args) => args,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // Explicit, so that no cubecl.toml and no variable changes what is measured.
    let mut config = CubeClRuntimeConfig::default();
    config.compilation.cache = Some(CacheConfig::File(args.cache.clone()));
    CubeClRuntimeConfig::set(config);

    let start = Instant::now();
    let jobs = jobs(&args);
    if let Some((worker, from)) = args.worker {
        return warm::work::<Device>(&args, &jobs, worker, from, start);
    }

    // Compiling gets two thirds of the time.
    let until = start + Duration::from_secs(args.seconds * 2 / 3);
    let warmed = (args.workers > 0).then(|| warm::warm(&args, jobs.len(), until));
    let compile_seconds = start.elapsed().as_secs_f64();
    let rows = measure_all(&args, &jobs, warmed, start);
    report::print(&rows);
    let written = report::write(
        &rows,
        &args.json,
        compile_seconds,
        start.elapsed().as_secs_f64(),
    );
    if let Err(error) = written {
        eprintln!("{}: {error}", args.json.display());
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}

fn measure_all(
    args: &Args,
    jobs: &[Job],
    warmed: Option<BTreeMap<usize, Result<f64, String>>>,
    start: Instant,
) -> Vec<Row> {
    let client = Device::client(&Default::default());
    let longest = jobs.iter().map(|job| {
        let Case { batch, m, k, n, .. } = job.case;
        batch * k * m.max(n)
    });
    let data = Data::new(longest.max().unwrap_or(0));
    let deadline = start + Duration::from_secs(args.seconds);

    let mut rows = Vec::new();
    let mut ready: Option<(&'static str, Precision, Bench<'_, Device>, Expected)> = None;
    let mut broken = None;
    for (index, job) in jobs.iter().enumerate() {
        let compiled = warmed.as_ref().map(|warmed| warmed.get(&index));
        let outcome = match compiled {
            _ if broken.is_some() => Outcome::Failed(broken.clone().unwrap_or_default()),
            Some(None) => Outcome::NotRun,
            _ if Instant::now() > deadline => Outcome::NotRun,
            Some(Some(Err(error))) => Outcome::Failed(error.clone()),
            None | Some(Some(Ok(_))) => {
                let same =
                    |r: &(&str, Precision, _, _)| r.0 == job.case.name && r.1 == job.precision;
                if !ready.as_ref().is_some_and(same) {
                    drop(ready.take());
                    let bench = Bench::new(&client, job.case, job.precision, Some(&data));
                    let expected = Expected::new(&job.case, job.precision, &data);
                    ready = Some((job.case.name, job.precision, bench, expected));
                }
                let (_, _, bench, expected) = ready.as_ref().expect("set above");
                let result = catch_unwind(AssertUnwindSafe(|| bench.measure(job.choice, expected)));
                match result {
                    Ok(Ok(measured)) => Outcome::Measured(measured),
                    Ok(Err(error)) => Outcome::Failed(error),
                    Err(panic) => Outcome::Failed(warm::text(panic)),
                }
            }
        };
        if let (Outcome::Failed(error), Some((_, _, bench, _))) = (&outcome, &ready)
            && broken.is_none()
            && catch_unwind(AssertUnwindSafe(|| bench.sync())).map_or(true, |r| r.is_err())
        {
            broken = Some(format!("the device is lost after: {error}"));
        }
        let row = Row {
            case: job.case,
            precision: job.precision,
            candidate: job.choice.name(),
            compile: compiled.flatten().and_then(|c| c.as_ref().ok().copied()),
            outcome,
        };
        eprintln!("{}", row.line());
        rows.push(row);
    }
    rows
}
