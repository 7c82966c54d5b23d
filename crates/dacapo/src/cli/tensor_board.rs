//! The metrics of every epoch for TensorBoard.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

use dacapo_trainer::EpochRow;

use super::clock::unix_ms;

/// `tensorboard/events.out.tfevents.dacapo`: a scalar for every metric and the learning rate
/// of every epoch, at its last step. Never compared.
///
/// The format is TensorFlow's: records (`tensorflow/core/lib/io/record_writer.h`: length, its
/// masked CRC32C, bytes, their masked CRC32C; little-endian) of `Event` messages in the wire
/// format of protocol buffers (`tensorflow/core/util/event.proto`). Written here, since no
/// crate for it is kept up.
pub(crate) struct TensorBoardLog {
    file: File,
    lr: f64,
}

impl TensorBoardLog {
    /// The file of a run with this base learning rate and history that stands at `step`. What it
    /// tells of later steps, or was left unfinished, is cut off; epochs that it lacks are
    /// written.
    pub(crate) fn open(root: &Path, step: u64, lr: f64, history: &[EpochRow]) -> io::Result<Self> {
        let folder = root.join("tensorboard");
        fs::create_dir_all(&folder)?;
        let path = folder.join("events.out.tfevents.dacapo");
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (kept, events) = kept(&bytes, step);
        file.set_len(kept as u64)?;
        let mut log = Self { file, lr };
        if events == 0 {
            let mut event = wall_time(seconds());
            text(&mut event, 3, "brain.Event:2");
            log.append(&event)?;
        }
        // Those after the first are epochs.
        for row in history.iter().skip(events.saturating_sub(1)) {
            log.epoch(row)?;
        }
        Ok(log)
    }

    /// Appends what an epoch ended with.
    pub(crate) fn epoch(&mut self, row: &EpochRow) -> io::Result<()> {
        let lr = [("lr", self.lr * row.lr_factor)];
        let metrics = row
            .metrics
            .iter()
            .map(|(name, value)| (name.as_str(), *value));
        let scalars: Vec<(&str, f64)> = metrics.chain(lr).collect();
        self.append(&event(seconds(), row.step, &scalars))
    }

    fn append(&mut self, event: &[u8]) -> io::Result<()> {
        self.file.write_all(&record(event))
    }
}

fn seconds() -> f64 {
    unix_ms() as f64 / 1e3
}

/// How many of the bytes are whole records of steps up to `step`, and how many those are.
fn kept(bytes: &[u8], step: u64) -> (usize, usize) {
    let (mut at, mut events) = (0, 0);
    while let Some((event, end)) = next(bytes, at) {
        if step_of(event).is_none_or(|found| found > step) {
            break;
        }
        at = end;
        events += 1;
    }
    (at, events)
}

/// The event that begins at `at`, if it is whole, and where it ends.
fn next(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = &bytes[at..];
    let length = rest.get(..8)?;
    let size = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let event = rest.get(12..)?.get(..size)?;
    let end = 12 + size + 4;
    let sum = |at: usize, of: &[u8]| rest.get(at..at + 4) == Some(&masked(of).to_le_bytes());
    (sum(8, length) && sum(12 + size, event)).then_some((event, at + end))
}

/// The step of an event that was written here: its second field, after the time. The first
/// event has none.
fn step_of(event: &[u8]) -> Option<u64> {
    // A key, and a double.
    let mut rest = event.get(9..)?;
    if rest.first() != Some(&(2 << 3)) {
        return Some(0);
    }
    let mut step = 0;
    for shift in (0..64).step_by(7) {
        rest = &rest[1..];
        let byte = *rest.first()?;
        step |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(step);
        }
    }
    None
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut out = length.to_vec();
    out.extend(masked(&length).to_le_bytes());
    out.extend(event);
    out.extend(masked(event).to_le_bytes());
    out
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// An `Event` with a `Summary` of scalars.
fn event(time: f64, step: u64, scalars: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in scalars {
        let mut scalar = Vec::new();
        text(&mut scalar, 1, tag);
        // `simple_value`, a float.
        scalar.push(2 << 3 | 5);
        scalar.extend((*value as f32).to_le_bytes());
        bytes(&mut summary, 1, &scalar);
    }
    let mut out = wall_time(time);
    out.push(2 << 3);
    varint(&mut out, step);
    bytes(&mut out, 5, &summary);
    out
}

fn wall_time(time: f64) -> Vec<u8> {
    let mut out = vec![1 << 3 | 1];
    out.extend(time.to_le_bytes());
    out
}

fn text(out: &mut Vec<u8>, field: u8, text: &str) {
    bytes(out, field, text.as_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of TensorBoard's own writer (`tests/golden/tensor_board.py`).
    #[test]
    fn event_is_not_what_tensorboard_writes() {
        let golden = include_str!("../../../../tests/golden/tensor_board.hex");
        let mut version = wall_time(1.5);
        text(&mut version, 3, "brain.Event:2");
        let scalars = [("train_loss", 0.25), ("valid_loss", 0.1)];
        let written = [
            record(&version),
            record(&event(2.5, 34, &scalars)),
            record(&event(3.5, 40_000, &scalars[..1])),
        ];
        let hex: Vec<String> = written
            .iter()
            .map(|record| record.iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        assert_eq!(hex, golden.lines().collect::<Vec<_>>());

        let all = written.concat();
        let ends: Vec<usize> = written.iter().map(Vec::len).collect();
        for (step, count) in [(0, 1), (33, 1), (34, 2), (39_999, 2), (40_000, 3)] {
            let expected: usize = ends[..count].iter().sum();
            assert_eq!(kept(&all, step), (expected, count), "step {step}");
        }
        for cut in 0..all.len() {
            let whole = (0..=3_usize).rev();
            let mut whole = whole.map(|count| (ends[..count].iter().sum::<usize>(), count));
            let expected = whole.find(|(end, _)| *end <= cut);
            assert_eq!(Some(kept(&all[..cut], u64::MAX)), expected, "cut at {cut}");
        }
    }
}
