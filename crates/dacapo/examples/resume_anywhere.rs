//! Stopped in the middle of an epoch, gone on with twice from the file, and not one bit differs;
//! then a branch with another learning rate.
//!
//!     cargo run --release --example resume_anywhere [EMPTY-FOLDER]

use std::{collections::BTreeMap, error::Error, io, io::Write, path::Path, process};

use dacapo::burn::tensor::{Tensor, TensorData, backend::Backend};
use dacapo::burn_flex::{Flex, FlexDevice};
use dacapo::compute::Cpu;
use dacapo::dora::{DoraConfig, DoraLinear};
use dacapo::ops::mean;
use dacapo::optim::{AdamWConfig, Schedule};
use dacapo::rng::{RngHub, Stream};
use dacapo::trainer::{
    CheckpointPolicy, Info, RunFolder, RunParts, STREAMS, SettingChange, StepContext, Task,
    TaskError, Trainer, TrainerSettings, run,
};

/// Learning to turn a row of eight numbers around. One layer is a model, too.
struct Turn;

/// The rows with these numbers; each is drawn from a position of its own.
fn rows<B: Backend<Device = FlexDevice>>(numbers: &[usize]) -> Tensor<B, 2> {
    let row = |number: &usize| {
        let mut stream = Stream::keyed(1, "rows", *number as u64);
        std::array::from_fn::<f32, 8, _>(|_| stream.uniform_f32())
    };
    let values: Vec<f32> = numbers.iter().flat_map(row).collect();
    Tensor::from_data(TensorData::new(values, [numbers.len(), 8]), &FlexDevice)
}

impl Task<Cpu> for Turn {
    type Model = DoraLinear<Cpu>;

    fn train_len(&self) -> usize {
        100
    }

    fn fingerprint(&self) -> String {
        "rows 0 to 99 for training, 100 to 119 for validation, seed 1".to_owned()
    }

    fn loss(
        &self,
        model: &DoraLinear<Cpu>,
        examples: &[usize],
        context: &mut StepContext<'_>,
    ) -> Result<Tensor<Cpu, 1>, TaskError> {
        let x = rows::<Cpu>(examples);
        let error = model.forward(x.clone(), Some(&context.dropout)) - x.flip([1]);
        Ok(mean(error.powi_scalar(2)))
    }

    fn evaluate(&self, model: &DoraLinear<Flex>) -> Result<BTreeMap<String, f64>, TaskError> {
        let x = rows::<Flex>(&Vec::from_iter(100..120));
        let error = model.forward(x.clone(), None) - x.flip([1]);
        let loss = mean(error.powi_scalar(2)).into_scalar();
        Ok(BTreeMap::from([("valid_loss".to_owned(), loss.into())]))
    }
}

/// What the run is made of, the same in every process.
fn parts(lr: f64) -> Result<RunParts<Cpu, Turn>, Box<dyn Error>> {
    let mut rng = RngHub::new(42, STREAMS);
    let init = rng.stream("init")?;
    let dora = DoraConfig {
        dropout: 0.1,
        ..DoraConfig::peft(4, 8.0)
    };
    let model = DoraLinear::init(8, 8, true, init, &FlexDevice).attach(&dora, "layer", init)?;
    let settings = TrainerSettings {
        trainable: vec!["adapter.*".to_owned()],
        optimizer: AdamWConfig {
            lr,
            ..AdamWConfig::default()
        }
        .into(),
        schedule: Schedule::Cosine {
            total: 28,
            min_factor: 0.1,
        },
        config: format!("{dora:?}"),
        ..TrainerSettings::new(4, 16) // 7 steps an epoch, the last of 4 rows
    };
    Ok(dacapo::run_parts(Turn, model, settings, rng, &FlexDevice))
}

/// Trains until `stop_after`, or to the end, and commits the state.
fn go_on(
    trainer: &mut Trainer<Cpu, Turn>,
    folder: &RunFolder,
    stop_after: Option<u64>,
) -> Result<String, Box<dyn Error>> {
    run(
        trainer,
        folder,
        &CheckpointPolicy::default(),
        stop_after,
        &mut (),
    )?;
    Ok(trainer.to_record(Info::default())?.state_hash::<Flex>()?)
}

/// Everything, in the empty folder `root`.
pub fn example(root: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let whole = RunFolder::new(root.join("whole"));
    let mut trainer = parts(0.02)?.open(&whole)?;
    let straight = go_on(&mut trainer, &whole, None)?;
    writeln!(out, "straight through  {straight}")?;

    let mut resumed = String::new();
    for stop_after in [Some(10), Some(19), None] {
        // Nothing but the file is left of what was before: it could be another process.
        let folder = RunFolder::new(root.join("pieces"));
        let mut trainer = parts(0.02)?.open(&folder)?;
        let from = trainer.global_step();
        resumed = go_on(&mut trainer, &folder, stop_after)?;
        let to = trainer.global_step();
        writeln!(out, "  from step {from:2} to step {to:2}")?;
    }
    writeln!(out, "in three pieces   {resumed}")?;
    assert_eq!(straight, resumed);

    let folder = RunFolder::new(root.join("slower"));
    let change = SettingChange {
        key: "optimizer.lr".to_owned(),
        from: "0.02".to_owned(),
        to: "0.005".to_owned(),
    };
    let at = "epoch-0002-step-00000014";
    let mut branch = parts(0.005)?.branch(&whole, at, &folder, vec![change])?;
    let slower = go_on(&mut branch, &folder, None)?;
    writeln!(out, "branched off      {slower}")?;
    assert_ne!(straight, slower);

    let record = folder.load_latest()?.ok_or("a run without a checkpoint")?;
    for event in &record.run.lineage {
        let Some(forked) = &event.forked else {
            continue;
        };
        writeln!(out, "  off run {} after step {}", forked.run_id, event.step)?;
        for SettingChange { key, from, to } in &forked.changes {
            writeln!(out, "  {key}: {from} -> {to}")?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args().nth(1).map(Into::into);
    let fresh = format!("dacapo-resume-anywhere-{}", process::id());
    let root = root.unwrap_or_else(|| std::env::temp_dir().join(fresh));
    example(&root, &mut io::stdout())?;
    println!("the runs are in {}", root.display());
    Ok(())
}
