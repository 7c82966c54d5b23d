use std::path::PathBuf;
use std::process::Command;
use std::{fs, io};

use serde_json::{Map, Value, json};

/// Rows of figures, written after every row: a benchmark that is stopped keeps what it measured.
/// The format is that of the PyTorch peers.
pub struct Report {
    path: Option<PathBuf>,
    data: Map<String, Value>,
}

impl Report {
    /// An empty report of the part `part`, for the file `path`.
    pub fn new(part: &str, path: Option<PathBuf>) -> Self {
        let mut data = Map::new();
        data.insert("part".to_owned(), json!(part));
        data.insert("machine".to_owned(), machine());
        data.insert("rows".to_owned(), json!([]));
        data.insert("skipped".to_owned(), json!([]));
        Self { path, data }
    }

    /// A figure that belongs to the whole report.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn set(&mut self, key: &str, value: Value) {
        println!("{key}: {value}");
        self.data.insert(key.to_owned(), value);
        self.write();
    }

    /// A row, an object.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn row(&mut self, row: Value) {
        println!("{row}");
        self.push("rows", row);
    }

    /// What is not measured, and why.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn skip(&mut self, what: &str, why: &str) {
        println!("skipped {what}: {why}");
        self.push("skipped", json!({"what": what, "why": why}));
    }

    fn push(&mut self, list: &str, value: Value) {
        if let Some(Value::Array(values)) = self.data.get_mut(list) {
            values.push(value);
        }
        self.write();
    }

    fn write(&self) {
        let Some(path) = &self.path else { return };
        let write = || -> io::Result<()> {
            let partial = path.with_extension("partial");
            fs::write(&partial, serde_json::to_string_pretty(&self.data)? + "\n")?;
            fs::rename(partial, path)
        };
        if let Err(error) = write() {
            panic!("{} cannot be written: {error}", path.display());
        }
    }
}

/// What the figures depend on.
fn machine() -> Value {
    let query = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
    let output = Command::new("nvidia-smi").args(query).output();
    let text = output.map_or(String::new(), |out| {
        String::from_utf8_lossy(&out.stdout).into_owned()
    });
    let first = text.lines().next().unwrap_or_default();
    match first.split_once(", ") {
        Some((gpu, driver)) => json!({"gpu": gpu, "driver": driver}),
        None => json!({"gpu": "none that nvidia-smi shows"}),
    }
}
