//! Properties of images, batches, stand-ins and splits.

mod support;

use std::num::NonZeroUsize;

use dacapo_things::{STAND_IN_SIDE, Split, ThingsImages, stand_in, write_stand_ins};
use proptest::prelude::*;
use support::{folder, load, names, png};
use tempfile::TempDir;

const NAMES: [&str; 7] = [
    "a.png", "b.png", "c.png", "d.png", "e.png", "f.png", "g.png",
];

/// Stand-ins of many sizes.
fn pictures() -> TempDir {
    let picture = |(index, name): (usize, &&str)| {
        let side = 9 + 7 * index;
        png(side, side, &stand_in(name, side))
    };
    let files: Vec<Vec<u8>> = NAMES.iter().enumerate().map(picture).collect();
    let files: Vec<(&str, &[u8])> = NAMES
        .iter()
        .copied()
        .zip(files.iter().map(Vec::as_slice))
        .collect();
    folder(&files)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn number_of_threads_or_order_of_names_changes_a_byte(
        threads in 1_usize..12,
        order in Just((0..NAMES.len()).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let folder = pictures();
        let expected = load(&folder, &NAMES, 12).expect("images");
        let list: Vec<&str> = order.iter().map(|index| NAMES[*index]).collect();
        let threads = NonZeroUsize::new(threads).expect("not zero");
        let mut reports = Vec::new();
        let progress = |done, total| reports.push((done, total));
        let found = ThingsImages::load(&folder, &names(&list), 12, threads, progress);
        let found = found.expect("images");
        let image = 3 * 12 * 12;
        for (place, index) in order.iter().enumerate() {
            prop_assert_eq!(
                &found.pixels()[place * image..][..image],
                &expected.pixels()[index * image..][..image]
            );
        }
        prop_assert_eq!(found.names(), names(&list));
        let all: Vec<_> = (1..=NAMES.len()).map(|done| (done, NAMES.len())).collect();
        prop_assert_eq!(reports, all);
        let same = found.fingerprint() == expected.fingerprint();
        prop_assert_eq!(same, list == NAMES);
    }

    #[test]
    fn batch_depends_on_the_other_images_in_it(
        indices in prop::collection::vec(0..NAMES.len(), 0..12),
    ) {
        let images = load(&pictures(), &NAMES, 6).expect("images");
        let (mean, std) = (ThingsImages::MEAN, ThingsImages::STD);
        let batch = images.batch(&indices, mean, std);
        let alone: Vec<f32> = indices.iter().flat_map(|index| images.batch(&[*index], mean, std)).collect();
        prop_assert_eq!(batch, alone);
    }

    #[test]
    fn split_loses_or_repeats_an_image(seed: u64, len in 2_usize..300, fraction in 0.01..0.99) {
        let count = (fraction * len as f64) as usize;
        prop_assume!(count > 0);
        let split = Split::new(seed, len, fraction).expect("a split");
        prop_assert_eq!(split.train().len(), count);
        let mut all = [split.train(), split.test()].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..len).collect::<Vec<_>>());
    }
}

#[test]
fn batch_has_its_channels_last() {
    let pixels: Vec<u8> = (0..12).collect();
    let folder = folder(&[("a.png", &png(2, 2, &pixels))]);
    let images = load(&folder, &["a.png"], 2).expect("an image");
    assert_eq!(images.pixels(), pixels);
    let batch = images.batch(&[0], [0.0; 3], [1.0 / 255.0; 3]);
    let rounded: Vec<u8> = batch.iter().map(|value| value.round() as u8).collect();
    assert_eq!(rounded, [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
}

#[test]
fn split_has_other_sizes_than_the_researchers() {
    let split = Split::new(1, 1806, Split::TRAIN_FRACTION).expect("a split");
    assert_eq!((split.train().len(), split.test().len()), (1444, 362));
}

#[test]
fn split_changes_with_the_version() {
    let split = Split::new(7, 10, 0.8).expect("a split");
    assert_eq!(split.train(), [8, 1, 0, 3, 9, 7, 2, 4]);
    assert_eq!(split.test(), [6, 5]);
    assert_ne!(split, Split::new(8, 10, 0.8).expect("a split"));
}

#[test]
fn stand_in_changes_with_the_version() {
    let hash = |name, side| blake3::hash(&stand_in(name, side)).to_hex().to_string();
    let expected = "81db875e75c1d6fcde946b7a0160a2c5f0a674c9128f6b8ac54f3b508b578bfa";
    assert_eq!(hash("aardvark_01b.jpg", 64), expected);
    assert_eq!(stand_in("a", 5).len(), 75);
    assert!(stand_in("a", 0).is_empty());
}

#[test]
fn fingerprint_changes_with_the_version_or_overlooks_a_difference() {
    let one = png(2, 2, &[7; 12]);
    let other = png(2, 2, &[7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8]);
    let folder = folder(&[("a.png", &one), ("b.png", &one), ("c.png", &other)]);
    let fingerprint =
        |list: &[&str], side| load(&folder, list, side).expect("images").fingerprint();
    let mut message = 2_u64.to_le_bytes().to_vec();
    for name in ["a.png", "c.png"] {
        message.extend(5_u64.to_le_bytes());
        message.extend(name.as_bytes());
    }
    message.extend(2_u64.to_le_bytes());
    message.extend([7; 23]);
    message.push(8);
    let expected = blake3::hash(&message).to_hex().to_string();
    assert_eq!(fingerprint(&["a.png", "c.png"], 2), expected);
    let all = [
        fingerprint(&["a.png", "b.png"], 2),
        fingerprint(&["b.png", "a.png"], 2),
        fingerprint(&["a.png", "c.png"], 2),
        fingerprint(&["a.png"], 2),
        fingerprint(&["a.png"], 4),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(!all[..index].contains(one), "{index}");
    }
}

#[test]
fn stand_ins_are_not_read_back() {
    let list = names(&["a.jpg", "b.jpg"]);
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("new");
    let mut reports = Vec::new();
    write_stand_ins(&folder, &list, |done, total| reports.push((done, total))).expect("written");
    assert_eq!(reports, [(1, 2), (2, 2)]);
    let images = ThingsImages::load(&folder, &list, STAND_IN_SIDE, NonZeroUsize::MIN, |_, _| {});
    let images = images.expect("images");
    let expected = ["a.jpg", "b.jpg"]
        .map(|name| stand_in(name, STAND_IN_SIDE))
        .concat();
    assert!(images.pixels() == expected);
}
