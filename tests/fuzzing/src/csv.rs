use std::path::Path;

use dacapo::{rsa::Rdm, things::Targets};

use crate::{
    file::{accepted, with_file},
    memory::bounded,
};

/// A field of one byte becomes a number, and its place.
const PER_BYTE: usize = 64;

/// Tables: `bytes` as a matrix of dissimilarities and as targets of THINGS.
pub fn csv(bytes: &[u8]) {
    with_file("hostile.csv", bytes, |path| {
        read_matrix(path, bytes.len());
        read_targets(path, bytes.len());
    });
}

fn read_matrix(path: &Path, len: usize) {
    let read = || accepted(path, Rdm::read_csv(path));
    let Some(matrix) = bounded(PER_BYTE, len, read) else {
        return;
    };
    let mut written = String::new();
    for row in matrix.values().chunks_exact(matrix.size()) {
        let row: Vec<String> = row.iter().map(f64::to_string).collect();
        written.push_str(&row.join(","));
        written.push('\n');
    }
    let again = with_file("written.csv", written.as_bytes(), |path| {
        Rdm::read_csv(path)
    });
    assert_eq!(again.expect("what was written can be read"), matrix);
}

fn read_targets(path: &Path, len: usize) {
    let read = || accepted(path, Targets::read_things_csv(path));
    let Some(targets) = bounded(PER_BYTE, len, read) else {
        return;
    };
    let dimensions: Vec<String> = (0..Targets::DIMENSIONS).map(|i| i.to_string()).collect();
    let mut written = format!(",image_name,{}\n", dimensions.join(","));
    let rows = targets.values().chunks_exact(Targets::DIMENSIONS);
    for (name, row) in targets.names().iter().zip(rows) {
        let row: Vec<String> = row.iter().map(f64::to_string).collect();
        let name = name.replace('"', "\"\"");
        written.push_str(&format!("0,\"{name}\",{}\n", row.join(",")));
    }
    let again = with_file("written.csv", written.as_bytes(), |path| {
        Targets::read_things_csv(path)
    });
    assert_eq!(again.expect("what was written can be read"), targets);
}
