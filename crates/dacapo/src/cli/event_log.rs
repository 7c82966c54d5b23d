use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::Path,
};

use serde_json::{Value, json};

use super::clock::unix_ms;

/// `events.jsonl`: what happened when, one JSON object a line. Never compared.
pub(crate) struct EventLog(File);

impl EventLog {
    /// The log of a run that stands at `step`. Whatever it tells of later steps was never
    /// committed and happens again: it is cut off, as is a line that a killed program left
    /// unfinished.
    pub(crate) fn open(root: &Path, step: u64) -> io::Result<Self> {
        let path = root.join("events.jsonl");
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(path)?;
        let mut kept = 0;
        let mut reader = BufReader::new(&mut file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let event = serde_json::from_slice::<Value>(&line);
            let told = event.is_ok_and(|event| event["step"].as_u64().is_none_or(|at| at <= step));
            if !told || !line.ends_with(b"\n") {
                break;
            }
            kept += line.len() as u64;
            line.clear();
        }
        file.set_len(kept)?;
        Ok(Self(file))
    }

    /// Appends `event`, an object with the key `event`, with the time added.
    pub(crate) fn append(&mut self, event: &Value) -> io::Result<()> {
        let mut line = json!({ "unix_ms": unix_ms() });
        if let (Some(line), Some(event)) = (line.as_object_mut(), event.as_object()) {
            line.extend(event.clone());
        }
        // In one piece: two halves could be told apart by a program that follows.
        self.0.write_all(format!("{line}\n").as_bytes())
    }
}
