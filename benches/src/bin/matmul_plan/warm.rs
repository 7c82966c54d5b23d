//! Compiling kernels in several processes, each of which a bad kernel may kill.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cubecl::Runtime;

use crate::bench::Bench;
use crate::{Args, Job};

/// Launches each job of this worker once and tells how it went, a line each.
///
/// A line is `JOB ok SECONDS`, `JOB no REASON` (refused before the launch) or `JOB lost REASON`,
/// after which the process ends: the device may be unusable to it.
pub fn work<R: Runtime>(
    args: &Args,
    jobs: &[Job],
    worker: usize,
    from: usize,
    start: Instant,
) -> ExitCode
where
    R::Device: Default,
{
    let client = R::client(&Default::default());
    let until = start + Duration::from_secs(args.seconds);
    for (index, job) in jobs.iter().enumerate().skip(from) {
        if index % args.workers != worker {
            continue;
        }
        if Instant::now() > until {
            break;
        }
        let begun = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| {
            let bench = Bench::<R>::new(&client, job.case, job.precision, None);
            match bench.launch(job.choice, false) {
                Err(error) => Ok(Err(error)),
                Ok(()) => bench.sync().map(Ok),
            }
        }));
        let one_line = |text: String| text.replace('\n', " ");
        match result {
            Ok(Ok(Ok(()))) => println!("{index} ok {}", begun.elapsed().as_secs_f64()),
            Ok(Ok(Err(error))) => println!("{index} no {}", one_line(error)),
            Ok(Err(error)) => {
                println!("{index} lost {}", one_line(error));
                return ExitCode::FAILURE;
            }
            Err(panic) => {
                println!("{index} lost {}", one_line(text(panic)));
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Compiles as many jobs as `until` allows; what is known of each by its number.
pub fn warm(args: &Args, jobs: usize, until: Instant) -> BTreeMap<usize, Result<f64, String>> {
    let seen = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for worker in 0..args.workers {
            let seen = &seen;
            scope.spawn(move || {
                let mut from = 0;
                while from < jobs {
                    match run(args, worker, from, until, seen) {
                        Some(lost) => from = lost + 1,
                        None => break,
                    }
                }
            });
        }
    });
    seen.into_inner().expect("no thread panicked")
}

/// Runs one process to its end; the job that ended it early.
fn run(
    args: &Args,
    worker: usize,
    from: usize,
    until: Instant,
    seen: &Mutex<BTreeMap<usize, Result<f64, String>>>,
) -> Option<usize> {
    let left = until.checked_duration_since(Instant::now())?.as_secs();
    let mut next = (from..).find(|job| job % args.workers == worker)?;
    let program = std::env::current_exe().expect("the program has a path");
    let mut child = Command::new(program)
        .args(["--worker", &format!("{worker}/{from}")])
        .args(["--workers", &args.workers.to_string()])
        .args(["--seconds", &left.to_string()])
        .args(["--cases", &args.cases.join(",")])
        .args(["--only", &args.only.join(",")])
        .arg("--cache")
        .arg(&args.cache)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program can start itself");
    let mut lost = None;
    for line in BufReader::new(child.stdout.take().expect("it is piped"))
        .lines()
        .map_while(Result::ok)
    {
        let mut words = line.splitn(3, ' ');
        let (Some(job), Some(kind), Some(rest)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let Ok(job) = job.parse::<usize>() else {
            continue;
        };
        let result = match kind {
            "ok" => Ok(rest.parse().unwrap_or(f64::NAN)),
            _ => Err(rest.to_owned()),
        };
        if kind == "lost" {
            lost = Some(job);
        }
        next = job + args.workers;
        seen.lock().expect("no thread panicked").insert(job, result);
    }
    let ended_well = child.wait().is_ok_and(|status| status.success());
    match (lost, ended_well) {
        (Some(job), _) => Some(job),
        (None, true) => None,
        // It died without a word, at the job after the last one that it told of.
        (None, false) => {
            let reason = Err("ended the process that compiled it".to_owned());
            seen.lock()
                .expect("no thread panicked")
                .insert(next, reason);
            Some(next)
        }
    }
}

/// What a panic said.
pub fn text(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => format!("panicked: {text}"),
        Err(panic) => match panic.downcast::<&'static str>() {
            Ok(text) => format!("panicked: {text}"),
            Err(_) => "panicked".to_owned(),
        },
    }
}
