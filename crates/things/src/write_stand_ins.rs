use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use crate::{ThingsError, names::check_names, stand_in};

/// Width and height of the files of [`write_stand_ins`].
pub const STAND_IN_SIDE: usize = 256;

/// Writes a [`stand_in`] for every name into `folder`, which is made if need be, under that
/// very name and as PNG whatever its extension. `progress` is told how many images are
/// done, and of how many, after every image.
///
/// # Errors
/// [`ThingsError::Content`] and [`ThingsError::Name`] as in
/// [`ThingsImages::load`](crate::ThingsImages::load); [`ThingsError::Io`] if a file cannot
/// be written or is there already: a real image is never overwritten.
pub fn write_stand_ins(
    folder: impl AsRef<Path>,
    names: &[String],
    mut progress: impl FnMut(usize, usize),
) -> Result<(), ThingsError> {
    let folder = folder.as_ref();
    check_names(names)?;
    let refuse = |path: &Path, source: io::Error| ThingsError::Io {
        path: path.to_owned(),
        expected: "a place for a stand-in",
        advice: match source.kind() {
            io::ErrorKind::AlreadyExists => "Give a new or empty folder",
            _ => "Check the owner and the permissions of the folder, and the disk",
        },
        source,
    };
    fs::create_dir_all(folder).map_err(|source| refuse(folder, source))?;
    for (done, name) in (1..).zip(names) {
        let path = folder.join(name);
        let written = encode(&stand_in(name, STAND_IN_SIDE))
            .and_then(|png| File::create_new(&path)?.write_all(&png));
        written.map_err(|source| refuse(&path, source))?;
        progress(done, names.len());
    }
    Ok(())
}

fn encode(pixels: &[u8]) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let side = STAND_IN_SIDE as u32;
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(file)
}
