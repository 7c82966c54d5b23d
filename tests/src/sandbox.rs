use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use dacapo::trainer::{RunFolder, TrainerRecord};
use tempfile::TempDir;

use crate::Finished;

/// A temporary folder in which the program runs. It is removed in the end.
pub struct Sandbox {
    program: PathBuf,
    folder: TempDir,
}

impl Sandbox {
    /// An empty folder for `program`; tests write `sandbox!()`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A path in the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join(name)
    }

    /// The program with these arguments, in this folder, not started yet.
    ///
    /// Small models gain nothing from a second thread, and several tests run at once: one
    /// thread, unless the caller sets `RAYON_NUM_THREADS` again.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .current_dir(self.root())
            .stdin(Stdio::null())
            .env_remove("CARGO")
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LOG")
            .env("RAYON_NUM_THREADS", "1");
        command
    }

    /// Runs the program with these arguments to its end.
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Finished {
        Finished::of(&mut self.command(args))
    }

    /// The record that a run's `latest` points to.
    #[track_caller]
    pub fn latest(&self, run: &str) -> TrainerRecord {
        let folder = RunFolder::new(self.path(run));
        let name = folder.latest().expect("the pointer can be read");
        self.record(run, &name.expect("the run has a checkpoint"))
    }

    /// A checkpoint of a run, by name.
    #[track_caller]
    pub fn record(&self, run: &str, name: &str) -> TrainerRecord {
        let record = RunFolder::new(self.path(run)).load(name);
        record.unwrap_or_else(|error| panic!("{error}"))
    }

    /// A run's `history.csv`.
    #[track_caller]
    pub fn history(&self, run: &str) -> String {
        let path = self.path(run).join("history.csv");
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Copies a run folder.
    #[track_caller]
    pub fn copy(&self, from: &str, to: &str) {
        copy_folder(&self.path(from), &self.path(to)).expect("a run folder can be copied");
    }

    /// Removes a run folder.
    #[track_caller]
    pub fn remove(&self, run: &str) {
        fs::remove_dir_all(self.path(run)).expect("a run folder can be removed");
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => fs::copy(entry.path(), target).map(|_| ())?,
        }
    }
    Ok(())
}
