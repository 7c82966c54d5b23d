//! DoRA on a small network, trained into a run folder.
//!
//!     cargo run --release --example quickstart [FOLDER]
//!
//! Stop it and start it again: it goes on from its last checkpoint, to the same bits.

use std::{error::Error, io, io::Write, path::Path};

use dacapo::prelude::*;

#[derive(Module, Debug, DoraTargets)]
#[dora(crate = "dacapo::dora")]
struct Mlp<B: Backend> {
    layers: Vec<DoraLinear<B>>,
    head: DoraLinear<B>,
}

impl<B: Backend> Predict<B> for Mlp<B> {
    fn predict(&self, x: Tensor<B, 2>, dropout: Option<&DropoutKey>) -> Tensor<B, 2> {
        let tanh_of = |x, layer: &DoraLinear<B>| activation::tanh(layer.forward(x, dropout));
        let hidden = self.layers.iter().fold(x, tanh_of);
        self.head.forward(hidden, dropout)
    }
}

/// Trains the run in `folder` to its end.
pub fn example(folder: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    // 320 rows, of which 64 judge. A polynomial: no mathematics library decides about the data.
    let mut stream = Stream::named(7, "rows");
    let rows = (0..320).map(|_| {
        let [a, b, c] = std::array::from_fn(|_| 2.0 * stream.uniform_f32() - 1.0);
        ([a, b, c], [3.0 * a - 4.5 * a * a * a + b * c])
    });
    let task = Regression::new(rows, 64, FlexDevice)?;

    let mut rng = RngHub::new(42, STREAMS);
    let init = rng.stream("init")?;
    let mut layer = |d_in, d_out| DoraLinear::init(d_in, d_out, true, init, &FlexDevice);
    let layers = vec![layer(3, 32), layer(32, 32)];
    let base = Mlp::<Cpu> {
        layers,
        head: layer(32, 1),
    };
    // Everything but the adapters is frozen. A rank is at most the smaller side of its layer.
    let plan = AttachPlan::new(&["layers.*", "head"], &DoraConfig::peft(3, 6.0));
    let plan = plan.with_rank("head", 1);
    let (model, adapted) = attach(base, &plan, init)?;
    writeln!(out, "adapters on {}", adapted.join(", "))?;

    let mut settings = TrainerSettings::new(10, 16);
    settings.optimizer = AdamWConfig::with_lr(2e-2).into();
    settings.config = format!("{plan:?}");
    let parts = run_parts::<Cpu, _>(task, model, settings, rng, &FlexDevice);
    let trainer = parts.train(&RunFolder::new(folder), &mut ())?;
    for row in trainer.history() {
        writeln!(out, "{row}")?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1);
    let folder = folder.as_deref().unwrap_or("runs/quickstart");
    example(Path::new(folder), &mut io::stdout())
}
