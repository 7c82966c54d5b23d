//! Writes the seeds of every target into `FOLDER/TARGET/`, for `fuzz/run.sh`.

use std::{error::Error, path::PathBuf};

use dacapo_fuzzing::{TARGETS, seeds};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("give a folder")?;
    let folder = PathBuf::from(folder);
    for (target, _) in TARGETS {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds(target) {
            std::fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}
