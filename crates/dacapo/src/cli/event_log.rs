use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use serde_json::{Value, json};

use super::clock::unix_ms;

/// `events.jsonl`: what happened when, one JSON object a line. Never compared.
pub(crate) struct EventLog(File);

impl EventLog {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let path = root.join("events.jsonl");
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(file))
    }

    /// Appends `event`, an object with the key `event`, with the time added.
    pub(crate) fn append(&mut self, event: &Value) -> io::Result<()> {
        let mut line = json!({ "unix_ms": unix_ms() });
        if let (Some(line), Some(event)) = (line.as_object_mut(), event.as_object()) {
            line.extend(event.clone());
        }
        writeln!(self.0, "{line}")
    }
}
