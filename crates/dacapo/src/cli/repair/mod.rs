//! `dacapo repair`.

mod config;
mod examine;
mod finding;

use std::path::Path;

use dacapo_record::{FsStorage, Storage, commit};
use dacapo_trainer::RunFolder;
use serde_json::{Value, json};

use super::{
    args::RepairArgs,
    output::{print, print_json},
    run_dir,
    summary::program,
};
use crate::CliError;
use examine::{Examination, examine};
use finding::{Finding, Mend};

pub(crate) fn repair(args: &RepairArgs) -> Result<i32, CliError> {
    if !args.dir.join("checkpoints").exists() {
        return Err(CliError::input(
            format!(
                "{} is no run folder: it has no checkpoints",
                args.dir.display()
            ),
            "Give a folder that `dacapo train` made",
        ));
    }
    let folder = match args.dry_run {
        true => RunFolder::new(&args.dir),
        false => run_dir::lock(&args.dir)?,
    };
    let found = examine(&folder)?;
    if !args.dry_run {
        for finding in &found.findings {
            mend(&folder, finding, args.delete)?;
        }
        check_mended(&folder)?;
    }
    match args.json {
        true => print_json(&to_json(args, &found))?,
        false => print(&to_text(args, &found))?,
    }
    let waiting = args.dry_run && found.findings.iter().any(Finding::is_to_mend);
    Ok(i32::from(waiting))
}

fn mend(folder: &RunFolder, finding: &Finding, delete: bool) -> Result<(), CliError> {
    let store = folder.store();
    let root = folder.root();
    match &finding.mend {
        Mend::PointTo { pointer, name } => store.set_pointer(pointer, name)?,
        Mend::SetAside { then } => {
            let path = root.join(&finding.place);
            match delete && !finding.is_kept_from_deletion() {
                true => remove(&path)?,
                false => drop(store.set_aside(&path)?),
            }
            if let Some((pointer, name)) = then {
                store.set_pointer(pointer, name)?;
            }
        }
        Mend::Write(bytes) => commit(&FsStorage, &root.join(&finding.place), bytes)?,
        Mend::Leave { may_be_deleted } => {
            if delete && *may_be_deleted {
                remove(&root.join(&finding.place))?;
            }
        }
    }
    Ok(())
}

/// What has been mended must be found whole.
fn check_mended(folder: &RunFolder) -> Result<(), CliError> {
    let left = examine(folder)?.findings;
    match left.iter().find(|finding| finding.is_to_mend()) {
        None => Ok(()),
        Some(finding) => Err(CliError::input(
            format!(
                "{}: {} {} after it was mended",
                folder.root().display(),
                finding.place.display(),
                finding.problem
            ),
            "Copy the folder and report this as a defect of dacapo",
        )),
    }
}

fn remove(path: &Path) -> Result<(), CliError> {
    FsStorage.remove(path).map_err(|error| {
        CliError::input(
            format!("cannot remove {}: {error}", path.display()),
            "Fix the folder's permissions, or leave out --delete",
        )
    })
}

fn to_json(args: &RepairArgs, found: &Examination) -> Value {
    let findings = found.findings.iter().map(|finding| {
        json!({
            "place": finding.place,
            "problem": finding.problem,
            "action": finding.action(args.delete),
            "mended": finding.is_to_mend() && !args.dry_run,
        })
    });
    json!({
        "run": args.dir,
        "run_id": found.run_id,
        "whole": found.whole,
        "newest": found.newest,
        "step": found.step,
        "goes_on_from": found.latest,
        "findings": findings.collect::<Vec<_>>(),
        "dry_run": args.dry_run,
    })
}

fn to_text(args: &RepairArgs, found: &Examination) -> String {
    let root = args.dir.display();
    let mut text = format!(
        "run {} in {root}\n  checkpoints  {} whole; the newest is {} (step {})\n",
        found.run_id,
        found.whole.len(),
        found.newest,
        found.step,
    );
    for finding in &found.findings {
        text.push_str(&format!(
            "  {}\n    {}\n    -> {}\n",
            finding.place.display(),
            finding.problem,
            finding.action(args.delete),
        ));
    }
    if found.findings.is_empty() {
        text.push_str("  nothing is wrong\n");
    } else if args.dry_run {
        text.push_str("nothing was changed (--dry-run)\n");
    } else if !args.delete {
        text.push_str("nothing was deleted\n");
    }
    text.push_str(
        &match args.dry_run && found.findings.iter().any(Finding::is_to_mend) {
            true => format!("next:\n  {} repair {root}\n", program()),
            false => format!("next:\n  {} resume {root}\n", program()),
        },
    );
    text
}
