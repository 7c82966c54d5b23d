//! What a checkpoint costs a run: by how much it makes the steps longer, beside what the same
//! checkpoint takes when the run waits for it.

use std::error::Error;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use dacapo::compute::Compute;
use dacapo::trainer::{Info, RunFolder, Task, Trainer, TrainerRecord};
use dacapo_benches::gpu::median;
use serde_json::{Map, Value, json};

use super::Args;

/// Steps from one checkpoint to the next, and checkpoints in a block.
const EVERY: usize = 4;
const CHECKPOINTS: usize = 2;

/// Where a checkpoint's tensors are copied to the host.
#[derive(Clone, Copy)]
enum Way {
    /// There is no checkpoint.
    Without,
    /// By the thread that writes it, as the trainer does it.
    Beside,
    /// Before the next step.
    Before,
}

const WAYS: [(Way, &str); 3] = [
    (Way::Without, "without"),
    (Way::Beside, "beside"),
    (Way::Before, "before"),
];

/// Blocks of steps in every way by turns, then single saves that are waited for, then what it takes to
/// go on from the last one, by `resume`.
pub(crate) fn measure<B: Compute, T: Task<B>>(
    args: &Args,
    trainer: &mut Trainer<B, T>,
    device: &B::Device,
    resume: impl Fn(TrainerRecord) -> Result<Trainer<B, T>, Box<dyn Error>>,
) -> Result<Value, Box<dyn Error>> {
    let parent = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::tempdir_in(parent)?;
    let folder = RunFolder::new(folder.path());
    let mut seconds = WAYS.map(|_| Vec::new());
    // The first blocks fill the pools for transfers.
    for round in 0..=args.stall_blocks {
        for (at, (way, _)) in WAYS.iter().enumerate() {
            let block = block(*way, trainer, &folder, device)?;
            if round > 0 {
                seconds[at].push(block);
            }
        }
    }
    let [mut snapshots, mut records, mut saves] = [Vec::new(), Vec::new(), Vec::new()];
    let mut bytes = 0;
    for _ in 0..5 {
        B::sync(device)?;
        let start = Instant::now();
        let snapshot = trainer.snapshot(Info::default());
        snapshots.push(start.elapsed().as_secs_f64());
        let record = snapshot.into_record()?;
        records.push(start.elapsed().as_secs_f64());
        let name = trainer.checkpoint_name();
        folder.save::<B::InnerBackend>(&name, record, false)?;
        saves.push(start.elapsed().as_secs_f64());
        bytes = std::fs::metadata(folder.checkpoint(&name)?)?.len();
    }
    let [mut loads, mut resumes] = [Vec::new(), Vec::new()];
    for _ in 0..5 {
        let start = Instant::now();
        let record = folder.load_latest()?.ok_or("nothing was saved")?;
        loads.push(start.elapsed().as_secs_f64());
        resume(record)?;
        B::sync(device)?;
        resumes.push(start.elapsed().as_secs_f64());
    }
    let without = median(&seconds[0]);
    let step = without / (EVERY * CHECKPOINTS) as f64;
    let mut report = Map::from_iter([
        ("bytes".to_owned(), json!(bytes)),
        ("every_steps".to_owned(), json!(EVERY)),
        ("blocks".to_owned(), json!(args.stall_blocks)),
        ("step_ms".to_owned(), json!(1e3 * step)),
        ("snapshot_ms".to_owned(), json!(1e3 * median(&snapshots))),
        ("record_ms".to_owned(), json!(1e3 * median(&records))),
        ("synchronous_ms".to_owned(), json!(1e3 * median(&saves))),
        ("read_ms".to_owned(), json!(1e3 * median(&loads))),
        ("resume_ms".to_owned(), json!(1e3 * median(&resumes))),
    ]);
    println!(
        "  checkpoint of {bytes} bytes; a step takes {:.2} ms; snapshot {:.2} ms, with the copy to \
         the host {:.2}, with serialising and committing {:.2}",
        1e3 * step,
        1e3 * median(&snapshots),
        1e3 * median(&records),
        1e3 * median(&saves),
    );
    for ((_, name), seconds) in WAYS.iter().zip(&seconds).skip(1) {
        let stall = (median(seconds) - without) / CHECKPOINTS as f64;
        println!(
            "  {name}: {:.2} ms a checkpoint, {:.2} % of a step, {:.1} % of a synchronous one",
            1e3 * stall,
            100.0 * stall / step,
            100.0 * stall / median(&saves),
        );
        report.insert(format!("stall_{name}_ms"), json!(1e3 * stall));
        report.insert(format!("stall_{name}_of_step"), json!(stall / step));
    }
    Ok(Value::Object(report))
}

/// Seconds of a block of steps, with checkpoints that another thread writes.
fn block<B: Compute, T: Task<B>>(
    way: Way,
    trainer: &mut Trainer<B, T>,
    folder: &RunFolder,
    device: &B::Device,
) -> Result<f64, Box<dyn Error>> {
    B::sync(device)?;
    thread::scope(|scope| {
        let (jobs, incoming) = channel::<(String, Job<B>)>();
        let writer = scope.spawn(move || -> Result<(), String> {
            for (name, job) in incoming {
                let record = match job {
                    Job::Snapshot(snapshot) => snapshot.into_record(),
                    Job::Record(record) => Ok(*record),
                };
                let record = record.map_err(|error| error.to_string())?;
                let saved = folder.save::<B::InnerBackend>(&name, record, false);
                saved.map_err(|error| error.to_string())?;
            }
            Ok(())
        });
        let start = Instant::now();
        for _ in 0..CHECKPOINTS {
            let name = trainer.checkpoint_name();
            let snapshot = || Box::new(trainer.snapshot(Info::default()));
            let job = match way {
                Way::Without => None,
                Way::Beside => Some(Job::<B>::Snapshot(snapshot())),
                Way::Before => Some(Job::Record(Box::new(snapshot().into_record()?))),
            };
            if let Some(job) = job {
                jobs.send((name, job)).map_err(|_| "the writer has ended")?;
            }
            for _ in 0..EVERY {
                trainer.step()?;
            }
        }
        B::sync(device)?;
        let seconds = start.elapsed().as_secs_f64();
        drop(jobs);
        writer.join().map_err(|_| "the writer has panicked")??;
        Ok(seconds)
    })
}

/// What the writer is handed.
enum Job<B: Compute> {
    Snapshot(Box<dacapo::trainer::Snapshot<B>>),
    Record(Box<dacapo::trainer::TrainerRecord>),
}
