use std::path::PathBuf;

use dacapo_trainer::ImportSource;

use super::{
    args::{ImportArgs, ImportFormat},
    import_peft,
    imported_run::{ImportedRun, replaced},
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
    match args.format {
        ImportFormat::ClipHba => clip_hba(args),
        ImportFormat::Peft => import_peft::import_peft(args),
    }
}

fn clip_hba(args: &ImportArgs) -> Result<i32, CliError> {
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

        let made = ImportedRun::save(&self.root, &self.config, session.trainer(), &source, kept)?;
        match self.json {
            true => print_json(&made.told)?,
            false => print(&text::<B>(&self, &session, &source, kept, &made))?,
        }
        Ok(0)
    }
}

fn text<B: Compute>(
    import: &Import,
    session: &ClipSession<B>,
    source: &ImportSource,
    kept: bool,
    made: &ImportedRun,
) -> String {
    let trainer = session.trainer();
    let ImportedRun {
        tensors,
        state_hash,
        ..
    } = made;
    let root = import.root.display();
    let stopping = trainer.early_stopping();
    let mut out = format!(
        "epoch {} of {} imported into {root}, run {}\n  data         {}\n  carried over {tensors} \
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
    out.push_str(&replaced(source));
    let end = match trainer.is_finished() {
        true => "  the run has ended: raise train.epochs or patience to go on\n".to_owned(),
        false => format!("next:\n  {} resume {root}\n", program()),
    };
    out.push_str(&format!("  state        {state_hash}\n{end}"));
    out
}
