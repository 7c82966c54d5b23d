//! Folders of images.

#![allow(
    dead_code,
    reason = "every test binary uses another part of this module"
)]

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use dacapo_things::{ThingsError, ThingsImages};
use tempfile::TempDir;

/// A file of `golden/images.py`.
pub fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images");
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A folder that lives as long as the test, with these files.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("written");
    }
    folder
}

pub fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// `side` x `side` images of `folder`, by two threads.
pub fn load(folder: &TempDir, list: &[&str], side: usize) -> Result<ThingsImages, ThingsError> {
    let threads = NonZeroUsize::new(2).expect("not zero");
    ThingsImages::load(folder, &names(list), side, threads, |_, _| {})
}

/// One image in a folder of its own.
pub fn load_bytes(bytes: &[u8], side: usize) -> Result<ThingsImages, ThingsError> {
    load(&folder(&[("a.jpg", bytes)]), &["a.jpg"], side)
}

/// Pixels as a PNG file, each channel of 8 bits.
pub fn png(width: usize, height: usize, pixels: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(pixels).expect("pixels");
    drop(writer);
    file
}

/// Width, height and pixels of an RGB file, by the decoder alone.
pub fn unpack(file: &[u8]) -> (usize, usize, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .expect("a PNG file");
    let mut pixels = vec![0; reader.output_buffer_size().expect("small")];
    let frame = reader.next_frame(&mut pixels).expect("pixels");
    assert_eq!(frame.color_type, png::ColorType::Rgb);
    (frame.width as usize, frame.height as usize, pixels)
}

/// The files of `golden/images.py` whose names begin so, sorted.
pub fn golden_names(prefix: &str, suffix: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images");
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_owned());
    let mut names: Vec<String> = paths.filter_map(name).collect();
    names.retain(|name| name.starts_with(prefix) && name.ends_with(suffix));
    names.sort();
    assert!(!names.is_empty(), "no {prefix}*{suffix}");
    names
}
