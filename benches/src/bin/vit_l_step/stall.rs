//! What a checkpoint costs a run: by how much it makes the steps longer, beside what the same
//! checkpoint takes when the run waits for it.

use std::error::Error;
use std::time::Instant;

use burn::tensor::backend::Backend;
use dacapo::compute::Compute;
use dacapo::trainer::{
    CheckpointPolicy, Event, Info, Observer, RunFolder, StopReason, Task, Trainer, run,
};
use dacapo_benches::gpu::median;
use serde_json::{Value, json};

use super::Args;

/// Steps from one checkpoint to the next, and steps in a block after the first.
const EVERY: u64 = 4;
const BLOCK: u64 = 8;

/// Notes when each step was done.
struct Clock(Vec<Instant>);

impl Observer for Clock {
    fn event(&mut self, event: &Event) -> Result<(), Box<dyn Error + Send + Sync>> {
        if let Event::Step(_) = event {
            self.0.push(Instant::now());
        }
        Ok(())
    }

    fn info(&mut self) -> Info {
        Info::default()
    }

    fn stop(&mut self) -> Option<StopReason> {
        None
    }
}

/// Blocks of steps without and with checkpoints by turns, then single saves that are waited for.
pub(crate) fn measure<B: Compute, T: Task<B>>(
    args: &Args,
    trainer: &mut Trainer<B, T>,
    device: &B::Device,
) -> Result<Value, Box<dyn Error>> {
    let parent = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::tempdir_in(parent)?;
    let folder = RunFolder::new(folder.path());
    let [mut without, mut with] = [Vec::new(), Vec::new()];
    // The first one fills the pools for transfers.
    let mut warm = Vec::new();
    block(trainer, &folder, EVERY, &mut warm)?;
    for _ in 0..args.stall_blocks {
        block(trainer, &folder, 0, &mut without)?;
        block(trainer, &folder, EVERY, &mut with)?;
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
    let (step, longer) = (median(&without), mean(&with) - mean(&without));
    let stall = longer * EVERY as f64;
    println!(
        "  checkpoint of {bytes} bytes: {:.2} ms a step without, {:.2} with one every {EVERY}: \
         {:.2} ms each ({:.2} % of a step); waited for, {:.2} ms",
        1e3 * mean(&without),
        1e3 * mean(&with),
        1e3 * stall,
        100.0 * stall / step,
        1e3 * median(&saves),
    );
    Ok(json!({
        "bytes": bytes,
        "every_steps": EVERY,
        "steps": without.len(),
        "step_ms": 1e3 * mean(&without),
        "step_with_ms": 1e3 * mean(&with),
        "stall_ms": 1e3 * stall,
        "stall_of_step": stall / step,
        "snapshot_ms": 1e3 * median(&snapshots),
        "record_ms": 1e3 * median(&records),
        "synchronous_ms": 1e3 * median(&saves),
        "stall_of_synchronous": stall / median(&saves),
    }))
}

/// A block of steps; their seconds, but the first one's, before which the run commits.
fn block<B: Compute, T: Task<B>>(
    trainer: &mut Trainer<B, T>,
    folder: &RunFolder,
    every_steps: u64,
    seconds: &mut Vec<f64>,
) -> Result<(), Box<dyn Error>> {
    let policy = CheckpointPolicy {
        every_steps,
        every_epochs: 0,
        ..CheckpointPolicy::default()
    };
    let mut clock = Clock(Vec::new());
    // Whole periods of checkpoints after the first step.
    let start = trainer.global_step();
    let first = (start + 1).next_multiple_of(EVERY);
    run(trainer, folder, &policy, Some(first + BLOCK), &mut clock)?;
    let done: Vec<f64> = clock
        .0
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .collect();
    // A step's time ends when it is reported, before its checkpoint: that is in the next one's.
    seconds.extend(&done[done.len() - BLOCK as usize..]);
    Ok(())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
