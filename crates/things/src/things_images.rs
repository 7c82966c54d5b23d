use std::{
    num::NonZeroUsize,
    path::Path,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use crate::{
    ThingsError,
    decode::decode,
    error::read,
    names::{check_names, locate},
    resize::resize,
};

/// Images in memory, all of one size, in the order of their names: `[n, side, side, 3]`
/// in RGB of 8 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThingsImages {
    names: Vec<String>,
    side: usize,
    pixels: Vec<u8>,
}

impl ThingsImages {
    /// The side that CLIP's vision transformers take.
    pub const SIDE: usize = 224;
    /// The researchers' mean of red, green and blue, for [`Self::batch`].
    pub const MEAN: [f32; 3] = [0.529_976_64, 0.480_705_61, 0.419_438_4];
    /// The researchers' standard deviation of red, green and blue, for [`Self::batch`].
    pub const STD: [f32; 3] = [0.276_083_01, 0.265_930_25, 0.282_388_2];

    /// Reads the images `names` from `folder` or from the folders of their concepts in it
    /// (`aardvark/aardvark_01b.jpg`), which may have others too, and resizes each to `side`
    /// x `side` as torchvision's `Resize((side, side))` does with an image of Pillow. A file is taken for what its content is: a PNG file may be called `.jpg`.
    ///
    /// There are at most `threads` threads, each with one image at a time; their number
    /// changes no bit and no error. `progress` is told how many images are done, and of
    /// how many, after every image.
    ///
    /// # Errors
    /// [`ThingsError::Content`] for no name, or a side that is 0 or too large for memory;
    /// [`ThingsError::Name`] for a name that occurs twice or is a path;
    /// [`ThingsError::Missing`] if the folder lacks images; [`ThingsError::Io`] if the
    /// folder or a file cannot be read; [`ThingsError::Image`] for the first file that is
    /// no whole JPEG or PNG image in grey or RGB of 8 bits per channel.
    ///
    /// # Panics
    /// If the operating system gives no thread.
    pub fn load(
        folder: impl AsRef<Path>,
        names: &[String],
        side: usize,
        threads: NonZeroUsize,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Self, ThingsError> {
        let folder = folder.as_ref();
        check_names(names)?;
        let mut pixels = zeros(names.len(), side)?;
        let paths = locate(folder, names)?;

        let next = AtomicUsize::new(0);
        let work = |results: mpsc::SyncSender<_>| {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(name) = names.get(index) else {
                    return;
                };
                let image = load_one(&paths[index], name, side);
                if image.is_err() {
                    // Hands out no more. All before this one were handed out.
                    next.store(names.len(), Ordering::Relaxed);
                }
                if results.send((index, image)).is_err() {
                    return;
                }
            }
        };
        // Where more than one image is refused, the first in the order of the names tells.
        let mut refused: Option<(usize, ThingsError)> = None;
        thread::scope(|scope| {
            // No image waits in the channel.
            let (sender, results) = mpsc::sync_channel(0);
            for _ in 0..threads.get().min(names.len()) {
                let sender = sender.clone();
                scope.spawn(|| work(sender));
            }
            drop(sender);
            let mut done = 0;
            for (index, image) in results {
                match image {
                    Ok(image) => {
                        pixels[index * image.len()..][..image.len()].copy_from_slice(&image);
                        done += 1;
                        progress(done, names.len());
                    }
                    Err(error) if refused.as_ref().is_none_or(|(first, _)| index < *first) => {
                        refused = Some((index, error));
                    }
                    Err(_) => {}
                }
            }
        });
        match refused {
            Some((_, error)) => Err(error),
            None => Ok(Self {
                names: names.to_vec(),
                side,
                pixels,
            }),
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of every image, all different.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Width and height of every image.
    pub fn side(&self) -> usize {
        self.side
    }

    /// All pixels, `[n, side, side, 3]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The images `indices`, as `[n, 3, side, side]`: `(x / 255 - mean) / std` in f32, each
    /// step rounded, to the bit what torchvision's `ToTensor` and `Normalize` give.
    ///
    /// # Panics
    /// If an index is not below [`Self::len`].
    pub fn batch(&self, indices: &[usize], mean: [f32; 3], std: [f32; 3]) -> Vec<f32> {
        let normalised: [[f32; 256]; 3] = std::array::from_fn(|channel| {
            std::array::from_fn(|value| (value as f32 / 255.0 - mean[channel]) / std[channel])
        });
        let image = 3 * self.side * self.side;
        let mut batch = Vec::with_capacity(indices.len() * image);
        for index in indices {
            let pixels = &self.pixels[index * image..][..image];
            for (channel, normalised) in normalised.iter().enumerate() {
                let values = pixels.iter().skip(channel).step_by(3);
                batch.extend(values.map(|value| normalised[usize::from(*value)]));
            }
        }
        batch
    }

    /// BLAKE3, in hex, of the content alone: the number of images, for each the length of
    /// its name in bytes and the name, the side, and all pixels. Numbers are u64 in
    /// little-endian order.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let number = |number: usize| (number as u64).to_le_bytes();
        hasher.update(&number(self.len()));
        for name in &self.names {
            hasher.update(&number(name.len()));
            hasher.update(name.as_bytes());
        }
        hasher.update(&number(self.side));
        hasher.update(&self.pixels);
        hasher.finalize().to_hex().to_string()
    }
}

/// Place for `[images, side, side, 3]`.
#[expect(
    clippy::slow_vector_initialization,
    reason = "`vec![0; n]` would end the process where there is no memory"
)]
fn zeros(images: usize, side: usize) -> Result<Vec<u8>, ThingsError> {
    let factors = [images, side, side];
    let bytes = factors
        .iter()
        .try_fold(3, |bytes: usize, factor| bytes.checked_mul(*factor));
    let mut pixels = Vec::new();
    match bytes {
        Some(bytes) if bytes > 0 && pixels.try_reserve_exact(bytes).is_ok() => {
            pixels.resize(bytes, 0);
            Ok(pixels)
        }
        _ => Err(ThingsError::Content {
            origin: "side of the images".to_owned(),
            expected: format!("a side at which {images} images fit into memory"),
            found: side.to_string(),
            advice: "Give the side that the model takes, such as 224",
        }),
    }
}

fn load_one(path: &Path, name: &str, side: usize) -> Result<Vec<u8>, ThingsError> {
    let bytes = read(path)?;
    match decode(&bytes) {
        Ok(image) => Ok(resize(image.pixels, image.width, image.height, side)),
        Err((expected, found, advice)) => Err(ThingsError::Image {
            path: path.to_owned(),
            image: name.to_owned(),
            expected,
            found,
            advice,
        }),
    }
}
