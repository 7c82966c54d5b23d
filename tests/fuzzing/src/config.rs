use std::path::Path;

use dacapo::config::{RunConfig, SweepPlan, load_config};

use crate::{
    file::{accepted, with_file},
    memory::bounded,
};

/// A part of a key, of two bytes, becomes a table.
const PER_BYTE: usize = 768;

/// Settings: `bytes` as a file of them, as the plan of a sweep, and every line as what follows
/// a `--set`.
pub fn config(bytes: &[u8]) {
    with_file("hostile.toml", bytes, |path| {
        read_config(path, bytes.len());
        read_plan(path, bytes.len());
    });
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let set: Vec<String> = text.lines().map(str::to_owned).collect();
    let config = bounded(PER_BYTE, bytes.len(), || {
        let read = load_config(RunConfig::default(), None, &set);
        read.map_err(|error| error.to_string()).ok()
    });
    if let Some(config) = config {
        assert_comes_back(&config);
    }
}

fn read_config(path: &Path, len: usize) {
    let read = || {
        let read = load_config(RunConfig::default(), Some(path), &[]);
        accepted(path, read)
    };
    if let Some(config) = bounded(PER_BYTE, len, read) {
        assert_comes_back(&config);
    }
}

fn assert_comes_back(config: &RunConfig) {
    let written = toml::to_string(config).expect("what was read can be written");
    let again = with_file("written.toml", written.as_bytes(), |path| {
        load_config(RunConfig::default(), Some(path), &[])
    });
    let again = again.unwrap_or_else(|error| panic!("{error}\n{written}"));
    // Not `==`: a NaN is itself.
    assert_eq!(toml::to_string(&again).expect("the same"), written);
}

fn read_plan(path: &Path, len: usize) {
    let read = || accepted(path, SweepPlan::read(path));
    let Some(plan) = bounded(PER_BYTE, len, read) else {
        return;
    };
    let written = toml::to_string(&plan).expect("what was read can be written");
    let again = with_file("written.toml", written.as_bytes(), SweepPlan::read);
    let again = again.unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(toml::to_string(&again).expect("the same"), written);
    let points = plan.at.len() * plan.kinds.len() * plan.seeds.len();
    assert_eq!(plan.points().len(), points);
}
