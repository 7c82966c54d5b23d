//! JPEG and PNG files to RGB of 8 bits.

use std::io::Cursor;

use png::{BitDepth, ColorType, Transformations};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// An image may have so many pixels, so that a damaged size takes no memory.
const MOST_PIXELS: usize = 1 << 26;

const COPY: &str = "Copy the file again from where it comes from";
const CONVERT: &str = "Save it as a JPEG or PNG file of 8 bits per channel, in grey or RGB";

/// An image `[height, width, 3]`.
pub(crate) struct Decoded {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u8>,
}

/// What was expected, what was found and what to do.
pub(crate) type Refusal = (String, String, &'static str);

fn refuse<T>(expected: &str, found: impl Into<String>, advice: &'static str) -> Result<T, Refusal> {
    Err((expected.to_owned(), found.into(), advice))
}

/// What a file is, its first bytes decide and not its name.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded, Refusal> {
    match bytes {
        [] => refuse("a JPEG or PNG image", "an empty file", COPY),
        [0xff, 0xd8, 0xff, ..] => jpeg(bytes),
        [0x89, b'P', b'N', b'G', ..] => png(bytes),
        _ => {
            let found = format!(
                "a file that begins with {:02x?}",
                &bytes[..bytes.len().min(8)]
            );
            refuse("a JPEG or PNG image", found, CONVERT)
        }
    }
}

fn check_size(width: usize, height: usize) -> Result<(), Refusal> {
    let pixels = width.checked_mul(height);
    if pixels.is_some_and(|pixels| (1..=MOST_PIXELS).contains(&pixels)) {
        return Ok(());
    }
    let expected = format!("between 1 and {MOST_PIXELS} pixels");
    let advice = "Copy the file again, or save the image smaller";
    refuse(&expected, format!("{width} x {height}"), advice)
}

fn jpeg(bytes: &[u8]) -> Result<Decoded, Refusal> {
    let damaged = |found: String| refuse("a whole JPEG image", found, COPY);
    // Even in strict mode, the decoder fills in what is missing in the last row of blocks.
    if !is_whole_jpeg(bytes) {
        return damaged("no end-of-image marker: the file is cut short".to_owned());
    }
    let options = DecoderOptions::default()
        .set_use_unsafe(false)
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    if let Err(error) = decoder.decode_headers() {
        return damaged(format!("a damaged one ({error:?})"));
    }
    let Some(info) = decoder.info() else {
        return damaged("none".to_owned());
    };
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    check_size(width, height)?;
    match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr | ColorSpace::RGB | ColorSpace::Luma) => {}
        other => return refuse("an image in grey or RGB", format!("{other:?}"), CONVERT),
    }
    match decoder.decode() {
        Ok(pixels) if pixels.len() == 3 * width * height => Ok(Decoded {
            width,
            height,
            pixels,
        }),
        Ok(pixels) => damaged(format!("{} bytes for {width} x {height}", pixels.len())),
        Err(error) => damaged(format!("a damaged one ({error:?})")),
    }
}

/// Whether segments and coded data lead up to an end-of-image marker. Bytes behind it
/// mean nothing.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let mut rest = &bytes[2..];
    while let [0xff, marker, after @ ..] = rest {
        rest = match marker {
            0xd9 => return true,
            // Fill bytes may stand before a marker.
            0xff => &rest[1..],
            // Markers without a segment.
            0x01 | 0xd0..=0xd7 => after,
            _ => {
                let &[high, low, ..] = after else {
                    return false;
                };
                let length = usize::from(u16::from_be_bytes([high, low]));
                let Some(after) = after.get(length.max(2)..) else {
                    return false;
                };
                match marker {
                    0xda => skip_coded(after),
                    _ => after,
                }
            }
        };
    }
    false
}

/// What follows coded data, in which 0xff stands only before a zero or a restart marker.
fn skip_coded(bytes: &[u8]) -> &[u8] {
    let is_end = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7);
    let end = bytes.windows(2).position(is_end);
    &bytes[end.unwrap_or(bytes.len())..]
}

fn png(bytes: &[u8]) -> Result<Decoded, Refusal> {
    let damaged = |error: png::DecodingError| {
        let found = format!("a damaged one ({error})");
        ("a whole PNG image".to_owned(), found, COPY)
    };
    let mut options = png::DecodeOptions::default();
    options.set_ignore_checksums(false);
    let mut decoder = png::Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(width, height)?;
    if header.bit_depth == BitDepth::Sixteen {
        return refuse("8 bits per channel", "16", CONVERT);
    }
    decoder.set_limits(png::Limits {
        bytes: 8 * MOST_PIXELS,
    });
    let mut reader = decoder.read_info().map_err(damaged)?;
    let Some(size) = reader.output_buffer_size() else {
        return refuse("an image that fits into memory", "none", CONVERT);
    };
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    // Transparency is dropped, not blended.
    let pixels = match frame.color_type {
        ColorType::Rgb => pixels,
        ColorType::Rgba => pixels
            .chunks_exact(4)
            .flat_map(|p| [p[0], p[1], p[2]])
            .collect(),
        ColorType::Grayscale => pixels.iter().flat_map(|grey| [*grey; 3]).collect(),
        ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
        ColorType::Indexed => return refuse("an image in grey or RGB", "a palette", CONVERT),
    };
    Ok(Decoded {
        width,
        height,
        pixels,
    })
}
