//! Pillow's images and torchvision's values, from `golden/images.py`.

mod support;

use dacapo_things::ThingsImages;
use serde_json::Value;
use support::{golden, load_bytes, png, unpack};

fn list(key: &str) -> Vec<Value> {
    let golden = include_str!("golden/images.json");
    let golden: Value = serde_json::from_str(golden).expect("valid JSON");
    golden[key].as_array().expect("a list").clone()
}

fn name(case: &Value) -> &str {
    case["name"].as_str().expect("a name")
}

fn largest_difference(found: &[u8], expected: &[u8]) -> u8 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    pairs.map(|(a, b)| a.abs_diff(*b)).max().expect("pixels")
}

#[test]
fn png_image_is_resized_otherwise_than_in_pillow() {
    for case in list("resize") {
        let name = name(&case);
        let side = case["side"].as_u64().expect("a side") as usize;
        let images = load_bytes(&golden(&format!("{name}.png")), side).expect("an image");
        let (width, height, expected) = unpack(&golden(&format!("{name}_resized.png")));
        assert_eq!((width, height), (side, side));
        let largest = largest_difference(images.pixels(), &expected);
        assert_eq!(largest, 0, "{name}");
    }
}

/// Decoders differ in how they round and, where colours are stored at a lower resolution,
/// in how they interpolate them.
#[test]
fn jpeg_image_is_far_from_pillow() {
    for case in list("jpeg") {
        let name = name(&case);
        let side = case["side"].as_u64().expect("a side") as usize;
        let images = load_bytes(&golden(&format!("{name}.jpg")), side).expect("an image");
        let (_, _, expected) = unpack(&golden(&format!("{name}_read.png")));
        let largest = largest_difference(images.pixels(), &expected);
        println!("{name}: by up to {largest}");
        let bound = if name.contains("grey") { 1 } else { 4 };
        assert!(largest <= bound, "{name}: by up to {largest}");
    }
}

#[test]
fn batch_is_normalised_otherwise_than_in_torchvision() {
    let every: Vec<u8> = (0..=255).flat_map(|value| [value; 3]).collect();
    let images = load_bytes(&png(16, 16, &every), 16).expect("an image");
    let batch = images.batch(&[0], ThingsImages::MEAN, ThingsImages::STD);
    let expected = list("normalised");
    assert_eq!(batch.len(), expected.len());
    for (index, (found, expected)) in batch.iter().zip(expected).enumerate() {
        let expected = f32::from_bits(expected.as_u64().expect("bits") as u32);
        let equal = found.to_bits() == expected.to_bits();
        assert!(equal, "element {index}: expected {expected}, found {found}");
    }
}
