use std::path::{Path, PathBuf};

use crate::CliError;

/// The files that the original's training wrote into its `save_path`, for one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalFiles {
    /// The epoch, as the original counts.
    pub epoch: u64,
    /// `epochN_dora_params.pth`.
    pub dora_params: PathBuf,
    /// `epochN_random_states.pth`.
    pub random_states: PathBuf,
    /// `training_res.csv`.
    pub history: PathBuf,
    /// `dataset_split_indices.pth`, which older runs lack.
    pub split: Option<PathBuf>,
}

impl OriginalFiles {
    /// The files of `epoch`, or of the last epoch that has adapters, in `folder` or where the
    /// original has put them below it (`dora_params/`, `random_states/`).
    ///
    /// # Errors
    /// Names the first file that is missing, and where it was looked for.
    pub fn find(folder: &Path, epoch: Option<u64>) -> Result<Self, CliError> {
        let epoch = match epoch {
            Some(epoch) => epoch,
            None => last_epoch(folder)?,
        };
        let states = format!("epoch{epoch}_random_states.pth");
        Ok(Self {
            epoch,
            dora_params: needed(
                folder,
                DORA_PARAMS,
                &format!("epoch{epoch}{DORA_PARAMS_END}"),
                "Choose another --epoch, or give the folder that is save_path in its configuration",
            )?,
            random_states: needed(
                folder,
                RANDOM_STATES,
                &states,
                "Without it there is no optimizer state to carry over; choose an --epoch that has it",
            )?,
            history: needed(
                folder,
                "",
                "training_res.csv",
                "History and patience follow from it: copy it there from where the run wrote it",
            )?,
            split: find(folder, RANDOM_STATES, "dataset_split_indices.pth"),
        })
    }
}

const DORA_PARAMS: &str = "dora_params";
const DORA_PARAMS_END: &str = "_dora_params.pth";
const RANDOM_STATES: &str = "random_states";

fn find(folder: &Path, below: &str, name: &str) -> Option<PathBuf> {
    let places = [folder.join(below).join(name), folder.join(name)];
    places.into_iter().find(|path| path.is_file())
}

fn needed(folder: &Path, below: &str, name: &str, next: &str) -> Result<PathBuf, CliError> {
    find(folder, below, name).ok_or_else(|| {
        let or_below = match below {
            "" => String::new(),
            below => format!(" or its folder {below}"),
        };
        CliError::input(
            format!("there is no {name} in {}{or_below}", folder.display()),
            next,
        )
    })
}

fn last_epoch(folder: &Path) -> Result<u64, CliError> {
    let mut last = None;
    for place in [folder.join(DORA_PARAMS), folder.to_owned()] {
        // A folder that is not there has no epochs.
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let epoch = name
                .to_str()
                .and_then(|name| name.strip_prefix("epoch")?.strip_suffix(DORA_PARAMS_END))
                .and_then(|epoch| epoch.parse::<u64>().ok());
            last = last.max(epoch);
        }
    }
    last.ok_or_else(|| {
        CliError::input(
            format!(
                "{} holds no epochN{DORA_PARAMS_END}, nor does its folder {DORA_PARAMS}",
                folder.display()
            ),
            "Give the folder that is save_path in the original's configuration",
        )
    })
}
