use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

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
}
