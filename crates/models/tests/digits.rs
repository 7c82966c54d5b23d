//! The embedded digits: what is in them, and what is refused.

use std::io::Write;

use burn::tensor::DType;
use burn_flex::{Flex, FlexDevice};
use dacapo_models::{Digits, ModelsError};
use flate2::{Compression, write::GzEncoder};

/// BLAKE3 of the payload; the same literal stands in `assets/README.md`.
const FINGERPRINT: &str = "b253909bb738f08cfca25a5973517596f9fb5c9dc89efa1996de8cbcee644522";

fn packed(payload: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(payload).unwrap();
    encoder.finish().unwrap()
}

/// A well-formed payload of two examples.
fn payload() -> Vec<u8> {
    let mut payload = b"DCDIGIT1".to_vec();
    payload.extend(2u32.to_le_bytes());
    payload.extend(8u32.to_le_bytes());
    payload.extend([3, 9]);
    payload.extend((0..128).map(|k| k % 17));
    payload
}

fn refused(payload: &[u8]) -> String {
    let error = Digits::decode(&packed(payload)).unwrap_err();
    assert!(matches!(error, ModelsError::Asset { .. }), "{error}");
    error.to_string()
}

#[test]
fn another_data_set_passes_for_the_digits() {
    let digits = Digits::embedded().unwrap();
    assert_eq!(digits.fingerprint(), FINGERPRINT);
    let readme = include_str!("../assets/README.md");
    assert!(readme.contains(FINGERPRINT));
}

#[test]
fn images_and_labels_are_misaligned() {
    let digits = Digits::embedded().unwrap();
    assert_eq!(digits.len(), 1797);
    assert_eq!(digits.images().len(), 1797 * 64);
    // The first example and the class counts, as scikit-learn's documentation
    // and `numpy.bincount(load_digits().target)` show them.
    assert_eq!(&digits.image(0)[..8], &[0, 0, 5, 13, 9, 1, 0, 0]);
    assert_eq!(&digits.image(0)[8..16], &[0, 0, 13, 15, 10, 15, 5, 0]);
    assert_eq!(
        &digits.labels()[..12],
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    );
    let mut counts = [0; 10];
    for &label in digits.labels() {
        counts[usize::from(label)] += 1;
    }
    assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
}

#[test]
fn a_batch_is_scaled_or_ordered_wrongly() {
    let digits = Digits::embedded().unwrap();
    let device = FlexDevice;
    let indices = [5, 0, 1796];
    let batch = digits.batch::<Flex>(&indices, &device).unwrap();
    assert_eq!(batch.dims(), [3, 8, 8]);
    let values: Vec<f32> = batch.to_data().to_vec().unwrap();
    let wide = digits
        .batch_as::<Flex>(&indices, &device, DType::F64)
        .unwrap();
    assert_eq!(wide.dtype(), DType::F64);
    let wide: Vec<f64> = wide.to_data().to_vec().unwrap();
    let expected = indices.iter().flat_map(|&index| digits.image(index));
    for ((value, wide), &pixel) in values.iter().zip(wide).zip(expected) {
        assert_eq!(value * 16.0, f32::from(pixel));
        assert_eq!(wide, f64::from(*value));
    }
    assert_eq!(digits.targets(&indices).unwrap(), [5, 0, 8]);
}

#[test]
fn an_index_past_the_end_is_read() {
    let digits = Digits::embedded().unwrap();
    let expected = ModelsError::NoSuchExample {
        index: 1797,
        len: 1797,
    };
    assert_eq!(digits.targets(&[0, 1797]).unwrap_err(), expected);
    let error = digits.batch::<Flex>(&[1797], &FlexDevice).unwrap_err();
    assert_eq!(error, expected);
}

#[test]
fn a_damaged_asset_is_read() {
    assert_eq!(Digits::decode(&packed(&payload())).unwrap().len(), 2);

    let whole = packed(&payload());
    for cut in 0..whole.len() {
        let error = Digits::decode(&whole[..cut]).unwrap_err();
        assert!(matches!(error, ModelsError::Asset { .. }), "{error}");
    }
    assert!(refused(b"DCDIGIT1").contains("header"));
    let mut other = payload();
    other[7] = b'2';
    assert!(refused(&other).contains("DCDIGIT2"));
    let mut short = payload();
    short.pop();
    assert!(refused(&short).contains("129 bytes"));
    let mut long = payload();
    long.push(0);
    assert!(refused(&long).contains("131 bytes"));
    let mut many = payload();
    many[8..12].fill(0xff);
    assert!(refused(&many).contains("4294967295 examples"));
    let mut side = payload();
    side[12] = 9;
    assert!(refused(&side).contains("side of 8"));
    let mut label = payload();
    label[17] = 10;
    assert!(refused(&label).contains("10 for example 1"));
    let mut pixel = payload();
    pixel[18 + 64] = 17;
    assert!(refused(&pixel).contains("17 in example 1"));
}

#[test]
fn a_small_file_unpacks_to_gigabytes() {
    let mut bomb = payload();
    bomb.resize(64 << 20, 0);
    let message = refused(&bomb);
    // Reading stopped one byte past the bound of 1 MiB.
    assert!(message.contains("1048561 bytes"), "{message}");
}

#[test]
fn the_fingerprint_misses_a_change() {
    let digits = Digits::decode(&packed(&payload())).unwrap();
    for at in [16, 17, 18, 145] {
        let mut changed = payload();
        changed[at] ^= 1;
        let changed = Digits::decode(&packed(&changed)).unwrap();
        assert_ne!(digits.fingerprint(), changed.fingerprint());
    }
}
