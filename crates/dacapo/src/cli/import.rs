use std::path::PathBuf;

use dacapo_trainer::{ImportSource, Info, Observer};
use serde_json::json;

use super::{
    args::ImportArgs,
    observer::RunObserver,
    on_device::{OnDevice, on_device},
    output::{print, print_json},
    run_dir,
    summary::program,
};
use crate::{
    CliError,
    clip_hba::{ClipSession, OriginalFiles, read_original},
    compute::Compute,
    config::{RunConfig, load_config},
    job::Job,
};

/// What to import, from where, into which folder.
struct Import {
    root: PathBuf,
    config: RunConfig,
    files: OriginalFiles,
    fresh_optimizer: bool,
    json: bool,
}

pub(crate) fn import(args: &ImportArgs) -> Result<i32, CliError> {
    let mut config = load_config(RunConfig::default(), Some(&args.config), &args.set)?;
    let mut files = OriginalFiles::find(&args.dir, args.epoch)?;
    let Some(clip) = &mut config.clip else {
        return Err(CliError::input(
            format!("{} has no section [clip]", args.config.display()),
            "Start from examples/clip_hba.toml",
        ));
    };
    match (&clip.split, &files.split) {
        // The one that is given is the one in use.
        (Some(given), _) => files.split = Some(PathBuf::from(given)),
        (None, Some(found)) => clip.split = Some(found.display().to_string()),
        (None, None) => {
            return Err(CliError::input(
                format!(
                    "there is no dataset_split_indices.pth in {} or its folder random_states: \
                     images that the run was judged by would be trained on",
                    args.dir.display()
                ),
                "Make it with PyTorch from the run's seed, as docs/clip_hba.md shows, and name it \
                 with --set clip.split=FILE",
            ));
        }
    }
    let work = Import {
        root: run_dir::free(&args.out)?,
        config,
        files,
        fresh_optimizer: args.fresh_optimizer,
        json: args.json,
    };
    on_device(args.device, true, work)
}

impl OnDevice for Import {
    fn run<B: Compute>(mut self, device: &B::Device) -> Result<i32, CliError> {
        let mut session = ClipSession::<B>::start(&mut self.config, device)?;
        let imported = read_original(&self.files, session.trainer(), self.fresh_optimizer)?;
        let source = imported.source.clone();
        let kept = imported.optimizer.is_some();
        session.trainer_mut().import(imported)?;

        run_dir::create(&self.root, &self.config)?;
        let folder = run_dir::open(&self.root)?;
        let trainer = session.trainer();
        let mut observer = RunObserver::open(&self.root, trainer, Info::default())?;
        let name = trainer.checkpoint_name();
        let best = trainer.early_stopping().best_checkpoint.as_ref() == Some(&name);
        let record = trainer.to_record(observer.info())?;
        let hash = record.clone().state_hash::<B::InnerBackend>()?;
        let adapters = record.adapters.len();
        folder.save::<B::InnerBackend>(&name, record, best)?;
        let told = json!({
            "event": "import",
            "run": self.root,
            "run_id": trainer.run_id(),
            "epochs": trainer.epoch(),
            "step": trainer.global_step(),
            "optimizer_carried_over": kept,
            "source": source,
            "state_hash": hash,
        });
        observer.note(&told)?;
        match self.json {
            true => print_json(&told)?,
            false => print(&text::<B>(&self, &session, &source, kept, adapters, &hash))?,
        }
        Ok(0)
    }
}

fn text<B: Compute>(
    import: &Import,
    session: &ClipSession<B>,
    source: &ImportSource,
    kept: bool,
    adapters: usize,
    hash: &str,
) -> String {
    let trainer = session.trainer();
    let root = import.root.display();
    let stopping = trainer.early_stopping();
    let mut out = format!(
        "epoch {} of {} imported into {root}, run {}\n  data         {}\n  carried over {adapters} \
         tensors of adapters\n",
        source.epoch,
        source.format,
        trainer.run_id(),
        session.data(),
    );
    if kept {
        out.push_str("               the optimizer's settings and its state, bit for bit\n");
    }
    out.push_str(&format!(
        "               {} epochs of history; {} {} of epoch {}, {} of {} epochs without \
         improvement\n               the split\n",
        trainer.epoch(),
        stopping.config.monitor,
        stopping.best.unwrap_or(f64::NAN),
        stopping.best_epoch.unwrap_or(0),
        stopping.epochs_without_improvement,
        stopping.config.patience,
    ));
    for (index, line) in source.replaced.iter().enumerate() {
        let head = if index == 0 { "replaced" } else { "" };
        out.push_str(&format!("  {head:<12} {line}\n"));
    }
    let end = match trainer.is_finished() {
        true => "  the run has ended: raise train.epochs or patience to go on\n".to_owned(),
        false => format!("next:\n  {} resume {root}\n", program()),
    };
    out.push_str(&format!("  state        {hash}\n{end}"));
    out
}
