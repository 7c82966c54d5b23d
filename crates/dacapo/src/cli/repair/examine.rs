//! Looks at every part of a run folder; changes nothing.

use std::path::{Path, PathBuf};

use dacapo_record::{FsStorage, RecordError, Storage};
use dacapo_trainer::{RunFolder, TrainerError, TrainerRecord, history_csv};

use super::{
    super::run_dir,
    config::config_of,
    finding::{Finding, Mend},
};
use crate::CliError;

/// What is there.
pub(super) struct Examination {
    pub(super) run_id: String,
    /// Names of the whole checkpoints, by step.
    pub(super) whole: Vec<String>,
    pub(super) newest: String,
    pub(super) step: u64,
    /// The checkpoint that `latest` names, now or once it is mended.
    pub(super) latest: String,
    pub(super) findings: Vec<Finding>,
}

/// # Errors
/// A file that the system does not let be read, one of a later dacapo, no whole checkpoint.
pub(super) fn examine(folder: &RunFolder) -> Result<Examination, CliError> {
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    for examined in folder.examine()? {
        match examined.record {
            Ok(record) => whole.push((examined.name, record)),
            Err(error) if is_no_damage(&error) => return Err(error.into()),
            Err(error) => damaged.push((examined.name, error)),
        }
    }
    let Some((newest, newest_record)) = whole.last() else {
        return Err(none_whole(folder, &damaged));
    };
    let find = |name: &str| whole.iter().find(|(whole, _)| whole == name);

    let mut findings = Vec::new();
    let latest = match folder.latest() {
        Ok(Some(name)) if find(&name).is_some() => name,
        told => {
            findings.push(pointer("latest", told, Some(newest), &damaged));
            newest.clone()
        }
    };
    let moved = !findings.is_empty();
    let record = &find(&latest).expect("a whole one").1;
    let wanted = record.early_stopping.best_checkpoint.as_deref();
    let wanted = wanted.filter(|name| find(name).is_some());
    match folder.best() {
        // Ahead of `latest` by the commit that a crash cut off, it is reached again.
        Ok(Some(name)) if find(&name).is_some() && (!moved || Some(&*name) == wanted) => {}
        Ok(None) if wanted.is_none() => {}
        told => findings.push(pointer("best", told, wanted, &damaged)),
    }
    for (name, error) in damaged {
        findings.push(Finding {
            place: PathBuf::from("checkpoints").join(format!("{name}.mpk")),
            problem: error.to_string(),
            mend: Mend::SetAside { then: None },
        });
    }
    temporaries(folder, &mut findings)?;
    configuration(folder, record, &mut findings)?;
    history(folder, record, &mut findings)?;
    for pin in folder.pins()? {
        if !Path::new(&pin.note).exists() {
            findings.push(Finding {
                place: PathBuf::from("pins").join(format!("{}@{}", pin.checkpoint, pin.by)),
                problem: format!(
                    "keeps a checkpoint for a branch that is not in {}",
                    pin.note
                ),
                mend: Mend::Leave {
                    may_be_deleted: true,
                },
            });
        }
    }
    Ok(Examination {
        run_id: newest_record.run.run_id.clone(),
        newest: newest.clone(),
        step: newest_record.run.global_step,
        latest,
        whole: whole.iter().map(|(name, _)| name.clone()).collect(),
        findings,
    })
}

/// Whether another program or user might well read the file.
fn is_no_damage(error: &TrainerError) -> bool {
    matches!(
        error,
        TrainerError::Record(RecordError::Io { .. } | RecordError::NewerFormat { .. })
    )
}

fn none_whole(folder: &RunFolder, damaged: &[(String, TrainerError)]) -> CliError {
    let mut what = format!("{} holds no whole checkpoint", folder.root().display());
    for (name, error) in damaged {
        what.push_str(&format!("; {name}: {error}"));
    }
    CliError::input(
        what,
        "Copy checkpoints from a backup into its folder `checkpoints`, or start the run anew: equal \
         settings give equal bits",
    )
}

/// `name` is where the pointer should lead.
fn pointer(
    pointer: &'static str,
    told: Result<Option<String>, TrainerError>,
    name: Option<impl AsRef<str>>,
    damaged: &[(String, TrainerError)],
) -> Finding {
    let name = name.map(|name| name.as_ref().to_owned());
    let (problem, in_the_way) = match told {
        Ok(None) => ("is not there".to_owned(), false),
        Ok(Some(found)) => {
            let why = match damaged.iter().any(|(name, _)| *name == found) {
                true => "which is damaged",
                false => "which comes later than the run goes on from",
            };
            (format!("names {found}, {why}"), false)
        }
        Err(error) => (
            error.to_string(),
            matches!(&error, TrainerError::Record(RecordError::Irregular { .. })),
        ),
    };
    let mend = match name {
        Some(name) if !in_the_way => Mend::PointTo { pointer, name },
        Some(name) => Mend::SetAside {
            then: Some((pointer, name)),
        },
        None => Mend::SetAside { then: None },
    };
    let place = PathBuf::from(pointer);
    Finding {
        place,
        problem,
        mend,
    }
}

/// What crashed commits have left.
fn temporaries(folder: &RunFolder, findings: &mut Vec<Finding>) -> Result<(), CliError> {
    for below in ["", "checkpoints", "pins"] {
        let path = folder.root().join(below);
        if !path.is_dir() {
            continue;
        }
        for name in FsStorage
            .list(&path)
            .map_err(|error| cannot_list(&path, &error))?
        {
            if name.starts_with('.') && name.ends_with(".tmp") {
                findings.push(Finding {
                    place: Path::new(below).join(name),
                    problem: "was being written when the program was killed".to_owned(),
                    mend: Mend::Leave {
                        may_be_deleted: true,
                    },
                });
            }
        }
    }
    Ok(())
}

fn configuration(
    folder: &RunFolder,
    record: &TrainerRecord,
    findings: &mut Vec<Finding>,
) -> Result<(), CliError> {
    let path = folder.root().join(run_dir::CONFIG);
    if path.exists() {
        // A setting that cannot be read is the user's to correct: the message says where.
        let config = run_dir::read_config(folder.root())?;
        return run_dir::check_unchanged(&config, &record.run.config);
    }
    findings.push(Finding {
        place: PathBuf::from(run_dir::CONFIG),
        problem: "is not there; a record has all of it but [checkpoint]".to_owned(),
        mend: Mend::Write(run_dir::config_text(&config_of(record)?)?.into_bytes()),
    });
    Ok(())
}

fn history(
    folder: &RunFolder,
    record: &TrainerRecord,
    findings: &mut Vec<Finding>,
) -> Result<(), CliError> {
    let expected = history_csv(&record.run.history, record.optimizer.config().lr());
    let path = folder.root().join("history.csv");
    let found = FsStorage.read(&path);
    if found.is_ok_and(|found| found == expected.as_bytes()) {
        return Ok(());
    }
    findings.push(Finding {
        place: PathBuf::from("history.csv"),
        problem: "does not tell what the latest checkpoint tells".to_owned(),
        mend: Mend::Write(expected.into_bytes()),
    });
    Ok(())
}

fn cannot_list(path: &Path, error: &std::io::Error) -> CliError {
    CliError::input(
        format!("cannot list {}: {error}", path.display()),
        "Fix the folder's permissions",
    )
}
