//! all-MiniLM-L6-v2 learns to predict how people see objects, from their names: what `dacapo train
//! examples/minilm_things.toml` does, through the library.
//!
//!     cargo run --release --example minilm_things [MODEL [THINGS [FOLDER]]]
//!
//! MODEL has config.json, model.safetensors and tokenizer.json (or DACAPO_MINILM names it), THINGS
//! the behavioural data; docs/sentences.md says where they come from. Stop it and start it again: it
//! goes on from the last checkpoint in FOLDER, to the same bits.

use std::{env, error::Error, io, io::Write, num::NonZeroUsize, path::Path};

use dacapo::config::SentencesConfig;
use dacapo::models::{Bert, read_bert_config, read_bert_weights};
use dacapo::optim::{ParamGroup, Schedule};
use dacapo::prelude::*;
use dacapo::sentences::{SentenceRegressor, SentenceTask};
use dacapo::things::Split;
use dacapo::trainer::{EarlyStoppingConfig, Event, load_tensors};

/// Trains the run in `folder` until this step, or to its end.
pub fn example(
    model: &Path,
    things: &Path,
    folder: &Path,
    stop_after: Option<u64>,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let file = |name: &str| things.join(name).display().to_string();
    let config = SentencesConfig {
        weights: model.display().to_string(),
        tokenizer: None, // beside the weights
        sizes: None,     // config.json beside the weights
        dropout: 0.1,    // of the blocks behind the first adapter
        targets: file("spose_embedding66d_rescaled_1806train.csv"),
        prefix_batch: NonZeroUsize::new(64).expect("64 is not 0"),
        train_fraction: Split::TRAIN_FRACTION,
        rsa_targets: Some(file("spose_embedding66d_rescaled_48val_reordered.csv")),
        rsa_rdm: Some(file("RDM48_triplet.mat")),
    };
    // The library's task: mean squared error, behavioural RSA every epoch, and what comes before
    // the first adapter computed once a name.
    let sizes = config.with_dropout(read_bert_config(model)?);
    let task = SentenceTask::<Cpu>::new(&config, &sizes, 0, FlexDevice)?;

    // Published weights, over a model of zeros; every tensor is accounted for.
    let weights = read_bert_weights(model, &sizes)?;
    let encoder = load_tensors(Bert::zeros(&sizes, &FlexDevice)?, "weights", &weights)?;
    // A new head, which begins as the mean of the targets.
    let base = SentenceRegressor::new(encoder, &task.target_means(), &FlexDevice);

    let mut dora = DoraConfig::peft(8, 16.0);
    dora.dropout = 0.1;
    let attention = ["encoder.blocks.4.attn.*", "encoder.blocks.5.attn.*"];
    let plan = AttachPlan::new(&attention, &dora);
    let mut rng = RngHub::new(42, STREAMS);
    let (model, adapted) = attach(base, &plan, rng.stream("init")?)?;
    writeln!(out, "adapters on {}", adapted.join(", "))?;

    let mut settings = TrainerSettings::new(12, 32);
    // What is trained besides the adapters, and faster.
    settings.trainable.push("head.*".to_owned());
    let head = ParamGroup {
        pattern: "head.*".to_owned(),
        lr: Some(1e-2),
        ..ParamGroup::default()
    };
    settings.optimizer = AdamWConfig {
        weight_decay: 0.1,
        groups: vec![head],
        ..AdamWConfig::with_lr(1e-3)
    }
    .into();
    settings.schedule = Schedule::WarmupCosine {
        warmup: 50,
        total: settings.schedule_ticks(task.split().train().len()),
        min_factor: 0.0,
    };
    settings.early_stopping = EarlyStoppingConfig {
        patience: 5,
        ..EarlyStoppingConfig::default()
    };
    // Whatever decides about bits and is no tensor of the checkpoint.
    settings.config = format!("{plan:?}, {sizes:?}");

    let folder = RunFolder::new(folder);
    let parts = run_parts::<Cpu, _>(task, model, settings, rng, &FlexDevice);
    let mut trainer = parts.open(&folder)?;
    writeln!(out, "from step {}", trainer.global_step())?;
    let mut observer = |event: &Event| {
        if let Event::Epoch(report) = event {
            writeln!(out, "{}", report.row)?; // train_loss, valid_loss, valid_r2, rsa_rho, rsa_p
        }
        Ok(())
    };
    let policy = CheckpointPolicy::default();
    run(&mut trainer, &folder, &policy, stop_after, &mut observer)?;
    writeln!(out, "to step {}", trainer.global_step())?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let model = arguments.next().or_else(|| env::var("DACAPO_MINILM").ok());
    let model = model.ok_or("name the folder of all-MiniLM-L6-v2, or set DACAPO_MINILM")?;
    let things = arguments.next().unwrap_or("data/things".to_owned());
    let folder = arguments.next().unwrap_or("runs/minilm".to_owned());
    let [model, things, folder] = [&model, &things, &folder].map(Path::new);
    example(model, things, folder, None, &mut io::stdout())
}
