//! The THINGS data set, as the CLIP-HBA researchers use it, for dacapo.
//!
//! # Contract
//!
//! * [`Targets`]: names and 66 values per image from a CSV file of THINGS.
//! * [`ThingsImages`]: the images of such names, decoded and resized once, kept as bytes;
//!   [`ThingsImages::batch`] gives what the model takes, [`ThingsImages::fingerprint`]
//!   what the identity of a run takes.
//! * [`Split`]: the images for training and for testing, by a named random stream.
//! * [`stand_in`] and [`write_stand_ins`]: pictures to try the machinery with where the
//!   images are not at hand. They say nothing about real objects.
//!
//! The same files give the same bits on every machine and with any number of threads: JPEG
//! is decoded without SIMD, resizing is integer arithmetic in one fixed order, and nothing
//! comes from the machine's C library. Everything is checked before anything is trained,
//! and every error names what was read, what was expected, what was found and what to do
//! next.
//!
//! ```
//! use std::num::NonZeroUsize;
//!
//! use dacapo_things::{Split, ThingsImages, write_stand_ins};
//!
//! let folder = tempfile::tempdir()?;
//! let names = ["cat_01b.jpg".to_owned(), "dog_01b.jpg".to_owned()];
//! write_stand_ins(&folder, &names, |_, _| {})?;
//! let images = ThingsImages::load(&folder, &names, 32, NonZeroUsize::MIN, |_, _| {})?;
//! let split = Split::new(1, images.len(), 0.5)?;
//! let batch = images.batch(split.train(), ThingsImages::MEAN, ThingsImages::STD);
//! assert_eq!(batch.len(), 3 * 32 * 32);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How near it is to PyTorch
//!
//! * PNG images are resized to the very bytes that torchvision's `Resize` gives with Pillow
//!   before version 13, and normalised to the very bits of `ToTensor` and `Normalize`.
//!   Pillow 13 resizes first along columns where the height shrinks more than the width:
//!   values differ by up to 1 in 255 there.
//! * JPEG images are not decoded to Pillow's bytes: the standard leaves rounding and the
//!   interpolation of colours to the decoder. In the tests values differ by up to 4 in 255
//!   before resizing.
//!
//! # Sources
//!
//! The images and values: M. Hebart et al., "THINGS: A database of 1,854 object concepts
//! and more than 26,000 naturalistic object images", PLoS ONE 14(10), 2019, and
//! "Revealing the multidimensional mental representations of natural objects underlying
//! human similarity judgements", Nature Human Behaviour 4, 2020. The arithmetic of resizing
//! is that of Pillow's `Resample.c`.
//!
//! # What this crate does not do
//!
//! * It knows no tensors and no Burn; it gives host values.
//! * It downloads nothing, and comes with no image and no target.
//! * It does not augment, crop or turn images; it reads no orientation from EXIF and no
//!   colour profile, as Pillow does not either.
//! * It reads JPEG and PNG in grey or RGB of 8 bits per channel; it drops transparency.
//! * It does not find all damage inside a JPEG file, which has no checksum: neither a value
//!   that is another, nor data missing before an end-of-image marker. The fingerprint
//!   changes.
//! * It does not look for two images of one content under two names.

mod decode;
mod error;
mod names;
mod object_name;
mod resize;
mod split;
mod stand_in;
mod targets;
mod things_images;
mod write_stand_ins;

pub use error::ThingsError;
pub use object_name::object_name;
pub use split::Split;
pub use stand_in::stand_in;
pub use targets::Targets;
pub use things_images::ThingsImages;
pub use write_stand_ins::{STAND_IN_SIDE, write_stand_ins};
