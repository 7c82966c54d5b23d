use std::io::Read;

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};
use flate2::read::GzDecoder;

use crate::ModelsError;

const ASSET: &str = "digits.bin.gz";
const MAGIC: &[u8; 8] = b"DCDIGIT1";
const HEADER: usize = 16;
/// A bound on what is unpacked, so that a damaged asset cannot fill the memory.
const MAX_PAYLOAD: u64 = 1 << 20;

/// The UCI optical handwritten digits: 1,797 images of 8 by 8 pixels of 0 to
/// 16, labelled 0 to 9, in the order of scikit-learn's `load_digits`.
///
/// Provenance, licence and layout: `assets/README.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digits {
    images: Vec<u8>,
    labels: Vec<u8>,
}

impl Digits {
    /// Pixels along a side of an image.
    pub const SIDE: usize = 8;
    /// Pixels of an image.
    pub const PIXELS: usize = Self::SIDE * Self::SIDE;
    /// The largest value of a pixel.
    pub const MAX_PIXEL: u8 = 16;
    /// Number of classes.
    pub const CLASSES: usize = 10;

    /// The copy that is compiled into this crate.
    ///
    /// # Errors
    /// [`ModelsError::Asset`] if the embedded file is damaged.
    pub fn embedded() -> Result<Self, ModelsError> {
        Self::decode(include_bytes!("../assets/digits.bin.gz"))
    }

    /// Reads a gzip file laid out as `assets/README.md` says.
    ///
    /// # Errors
    /// [`ModelsError::Asset`] if it is no gzip file, is cut short or too long,
    /// has another magic number or side, or a label or pixel out of range.
    pub fn decode(packed: &[u8]) -> Result<Self, ModelsError> {
        let mut payload = Vec::new();
        GzDecoder::new(packed)
            .take(MAX_PAYLOAD + 1)
            .read_to_end(&mut payload)
            .map_err(|error| refuse("a whole gzip stream", error))?;
        if payload.len() < HEADER {
            return Err(refuse(
                format_args!("a header of {HEADER} bytes"),
                format_args!("{} bytes", payload.len()),
            ));
        }
        let (header, body) = payload.split_at(HEADER);
        if &header[..8] != MAGIC {
            return Err(refuse(
                format_args!("the magic number {}", MAGIC.escape_ascii()),
                header[..8].escape_ascii(),
            ));
        }
        let count = le_u32(&header[8..12]) as u64;
        let side = le_u32(&header[12..16]) as usize;
        if side != Self::SIDE {
            return Err(refuse(
                format_args!("images with a side of {}", Self::SIDE),
                side,
            ));
        }
        // In u64: a count of 2^32 - 1 must not wrap on a 32-bit machine.
        let expected = count * (1 + Self::PIXELS as u64);
        if body.len() as u64 != expected {
            return Err(refuse(
                format_args!("{expected} bytes for {count} examples"),
                format_args!("{} bytes", body.len()),
            ));
        }
        let (labels, images) = body.split_at(count as usize);
        if let Some(at) = labels.iter().position(|&l| usize::from(l) >= Self::CLASSES) {
            return Err(refuse(
                format_args!("labels below {}", Self::CLASSES),
                format_args!("{} for example {at}", labels[at]),
            ));
        }
        if let Some(at) = images.iter().position(|&p| p > Self::MAX_PIXEL) {
            return Err(refuse(
                format_args!("pixels of at most {}", Self::MAX_PIXEL),
                format_args!("{} in example {}", images[at], at / Self::PIXELS),
            ));
        }
        Ok(Self {
            images: images.to_vec(),
            labels: labels.to_vec(),
        })
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// All pixels: example by example, row by row, [`Self::PIXELS`] each.
    pub fn images(&self) -> &[u8] {
        &self.images
    }

    /// The label of every example.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The [`Self::PIXELS`] pixels of example `index`, row by row.
    ///
    /// # Panics
    /// As a slice does, if `index` is not below [`Self::len`].
    pub fn image(&self, index: usize) -> &[u8] {
        &self.images[index * Self::PIXELS..(index + 1) * Self::PIXELS]
    }

    /// The examples `indices` as `[n, 8, 8]` in `[0, 1]` (a sixteenth a step,
    /// exact in every float type), in the device's default float type.
    ///
    /// # Errors
    /// [`ModelsError::NoSuchExample`] for an index that does not exist.
    pub fn batch<B: Backend>(
        &self,
        indices: &[usize],
        device: &B::Device,
    ) -> Result<Tensor<B, 3>, ModelsError> {
        let data = self.batch_data(indices)?;
        Ok(Tensor::from_data(data, device))
    }

    /// As [`Self::batch`], in the float type `dtype`.
    ///
    /// # Errors
    /// [`ModelsError::NoSuchExample`] for an index that does not exist.
    pub fn batch_as<B: Backend>(
        &self,
        indices: &[usize],
        device: &B::Device,
        dtype: DType,
    ) -> Result<Tensor<B, 3>, ModelsError> {
        let data = self.batch_data(indices)?;
        Ok(Tensor::from_data(data, (device, dtype)))
    }

    /// The labels of the examples `indices`, as the loss takes them.
    ///
    /// # Errors
    /// [`ModelsError::NoSuchExample`] for an index that does not exist.
    pub fn targets(&self, indices: &[usize]) -> Result<Vec<usize>, ModelsError> {
        indices
            .iter()
            .map(|&index| self.check(index).map(|()| usize::from(self.labels[index])))
            .collect()
    }

    /// Hex BLAKE3 of the unpacked payload: two data sets are the same if and
    /// only if this is.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(MAGIC);
        hasher.update(&(self.len() as u32).to_le_bytes());
        hasher.update(&(Self::SIDE as u32).to_le_bytes());
        hasher.update(&self.labels);
        hasher.update(&self.images);
        hasher.finalize().to_hex().to_string()
    }

    fn check(&self, index: usize) -> Result<(), ModelsError> {
        if index < self.len() {
            return Ok(());
        }
        Err(ModelsError::NoSuchExample {
            index,
            len: self.len(),
        })
    }

    fn batch_data(&self, indices: &[usize]) -> Result<TensorData, ModelsError> {
        let mut values = Vec::with_capacity(indices.len() * Self::PIXELS);
        for &index in indices {
            self.check(index)?;
            let scaled = |&pixel: &u8| f32::from(pixel) / f32::from(Self::MAX_PIXEL);
            values.extend(self.image(index).iter().map(scaled));
        }
        let shape = [indices.len(), Self::SIDE, Self::SIDE];
        Ok(TensorData::new(values, shape))
    }
}

fn le_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn refuse(expected: impl std::fmt::Display, found: impl std::fmt::Display) -> ModelsError {
    ModelsError::Asset {
        asset: ASSET.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}
