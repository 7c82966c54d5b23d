//! DoRA on a small network, trained into a run folder.
//!
//!     cargo run --release --example quickstart [FOLDER]
//!
//! Stop it and start it again: it goes on from its last checkpoint, to the same bits.

use std::{collections::BTreeMap, error::Error, io, io::Write, path::Path};

use dacapo::burn::tensor::{activation::tanh, backend::Backend};
use dacapo::burn::{self, module::Module, tensor::Tensor, tensor::TensorData};
use dacapo::burn_flex::{Flex, FlexDevice};
use dacapo::compute::Cpu;
use dacapo::dora::{AttachPlan, DoraConfig, DoraLinear, DoraTargets, attach};
use dacapo::optim::AdamWConfig;
use dacapo::rng::{RngHub, Stream};
use dacapo::trainer::{
    CheckpointPolicy, RunFolder, STREAMS, StepContext, Task, TaskError, TrainerSettings, run,
};
use dacapo::{ops::mean, rng::DropoutKey};

#[derive(Module, Debug, DoraTargets)]
#[dora(crate = "dacapo::dora")]
struct Mlp<B: Backend> {
    layers: Vec<DoraLinear<B>>,
    head: DoraLinear<B>,
}

impl<B: Backend> Mlp<B> {
    fn forward(&self, x: Tensor<B, 2>, dropout: Option<&DropoutKey>) -> Tensor<B, 2> {
        let layers = self.layers.iter();
        let hidden = layers.fold(x, |x, layer| tanh(layer.forward(x, dropout)));
        self.head.forward(hidden, dropout)
    }
}

/// Learning y = 3a - 4.5a³ + bc of rows (a, b, c, y).
struct Regression {
    rows: Vec<[f32; 4]>,
}

const TRAIN: usize = 256;
const VALID: usize = 64;

impl Regression {
    fn new() -> Self {
        let mut stream = Stream::named(7, "rows");
        let row = |_| {
            let [a, b, c] = std::array::from_fn(|_| 2.0 * stream.uniform_f32() - 1.0);
            // A polynomial, so that no mathematics library decides about the data.
            [a, b, c, 3.0 * a - 4.5 * a * a * a + b * c]
        };
        Self {
            rows: (0..TRAIN + VALID).map(row).collect(),
        }
    }

    fn loss<B: Backend<Device = FlexDevice>>(
        &self,
        model: &Mlp<B>,
        rows: impl Iterator<Item = usize>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 1> {
        let rows: Vec<f32> = rows.flat_map(|index| self.rows[index]).collect();
        let n = rows.len() / 4;
        let rows = Tensor::<B, 2>::from_data(TensorData::new(rows, [n, 4]), &FlexDevice);
        let (x, y) = (rows.clone().narrow(1, 0, 3), rows.narrow(1, 3, 1));
        mean((model.forward(x, dropout) - y).powi_scalar(2))
    }
}

impl Task<Cpu> for Regression {
    type Model = Mlp<Cpu>;

    fn train_len(&self) -> usize {
        TRAIN
    }

    fn fingerprint(&self) -> String {
        let values = self.rows.iter().flatten();
        let bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
        dacapo::trainer::fingerprint([bytes.as_slice()])
    }

    fn loss(
        &self,
        model: &Mlp<Cpu>,
        examples: &[usize],
        context: &mut StepContext<'_>,
    ) -> Result<Tensor<Cpu, 1>, TaskError> {
        Ok(self.loss(model, examples.iter().copied(), Some(&context.dropout)))
    }

    fn evaluate(&self, model: &Mlp<Flex>) -> Result<BTreeMap<String, f64>, TaskError> {
        let loss = self.loss(model, TRAIN..TRAIN + VALID, None).into_scalar();
        Ok(BTreeMap::from([("valid_loss".to_owned(), loss.into())]))
    }
}

/// Trains the run in `folder` to its end.
pub fn example(folder: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut rng = RngHub::new(42, STREAMS);
    let init = rng.stream("init")?;
    let base = Mlp::<Cpu> {
        layers: vec![
            DoraLinear::init(3, 32, true, init, &FlexDevice),
            DoraLinear::init(32, 32, true, init, &FlexDevice),
        ],
        head: DoraLinear::init(32, 1, true, init, &FlexDevice),
    };
    // Everything but the adapters is frozen. A rank is at most the smaller side of its layer.
    let plan = AttachPlan::new(&["layers.*", "head"], &DoraConfig::peft(3, 6.0));
    let plan = plan.with_rank("head", 1);
    let (model, adapted) = attach(base, &plan, init)?;
    writeln!(out, "adapters on {}", adapted.join(", "))?;

    let settings = TrainerSettings {
        optimizer: AdamWConfig {
            lr: 2e-2,
            ..AdamWConfig::default()
        }
        .into(),
        config: format!("{plan:?}"),
        ..TrainerSettings::new(10, 16)
    };
    let folder = RunFolder::new(folder);
    let parts = dacapo::run_parts::<Cpu, _>(Regression::new(), model, settings, rng, &FlexDevice);
    let mut trainer = parts.open(&folder)?;
    run(
        &mut trainer,
        &folder,
        &CheckpointPolicy::default(),
        None,
        &mut (),
    )?;
    for row in trainer.history() {
        let (train, valid) = (row.metrics["train_loss"], row.metrics["valid_loss"]);
        writeln!(
            out,
            "epoch {:2}  train_loss {train:.4}  valid_loss {valid:.4}",
            row.epoch
        )?;
    }
    let latest = folder.latest()?.unwrap_or_default();
    writeln!(out, "state in {}", folder.checkpoint(&latest)?.display())?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1);
    let folder = folder.unwrap_or_else(|| "runs/quickstart".to_owned());
    example(Path::new(&folder), &mut io::stdout())
}
