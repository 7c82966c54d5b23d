//! Images and lists of names that are refused, and in which words.

mod support;

use std::{fs, num::NonZeroUsize};

use dacapo_things::{Split, ThingsError, ThingsImages, write_stand_ins};
use support::{folder, golden, golden_names, load, load_bytes, names, png};

#[track_caller]
fn assert_names<T: std::fmt::Debug>(result: Result<T, ThingsError>, parts: &[&str]) {
    let text = result.expect_err("bad input").to_string();
    for part in parts.iter().chain(&["expected", "found"]) {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

fn small() -> Vec<u8> {
    png(4, 3, &[100; 36])
}

#[test]
fn missing_image_is_found_after_hours_of_training() {
    let present = small();
    let folder = folder(&[
        ("a.jpg", &present),
        ("B.jpg", &present),
        ("c.png", &present),
        ("other.jpg", &present),
    ]);
    let list = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"];
    let parts = [
        &folder.path().display().to_string(),
        "4 images",
        "3 of them missing",
        "\"b.jpg\" (but \"B.jpg\" is there), \"c.jpg\" (but \"c.png\" is there), \"d.jpg\". Put",
    ];
    assert_names(load(&folder, &list, 8), &parts);

    let many: Vec<String> = (0..30).map(|number| format!("{number}.jpg")).collect();
    let all = ThingsImages::load(&folder, &many, 8, NonZeroUsize::MIN, |_, _| {});
    let parts = [
        "30 of them missing",
        "\"0.jpg\", \"1.jpg\"",
        "\"19.jpg\" and 10 more",
    ];
    assert_names(all, &parts);

    let nowhere = folder.path().join("none");
    let nothing = ThingsImages::load(&nowhere, &many, 8, NonZeroUsize::MIN, |_, _| {});
    assert_names(
        nothing,
        &["/none", "a folder that can be read", "Give the folder"],
    );
}

/// As THINGS is published: a folder for every concept.
#[test]
fn image_in_the_folder_of_its_concept_is_missing() {
    let flat = folder(&[("cat_01b.jpg", &small())]);
    let other = png(4, 3, &[7; 36]);
    let sea_lion = flat.path().join("sea_lion");
    fs::create_dir(&sea_lion).expect("a folder");
    fs::write(sea_lion.join("sea_lion_02s.jpg"), &other).expect("written");
    let list = ["sea_lion_02s.jpg", "cat_01b.jpg"];
    let images = load(&flat, &list, 2).expect("both");
    assert_eq!(images.pixels()[0], 7);
    assert_eq!(images.pixels()[12], 100);
    // In another concept's folder it is not looked for.
    let refused = load(&flat, &["sea_lion_02s.jpg", "sea_03b.jpg"], 2);
    assert_names(refused, &["1 of them missing", "\"sea_03b.jpg\""]);
}

#[test]
fn list_of_names_is_taken_on_trust() {
    let folder = folder(&[("a.jpg", &small())]);
    let twice = [
        "name 3",
        "\"a.jpg\"",
        "a name of its own",
        "that of name 1",
        "Remove",
    ];
    assert_names(load(&folder, &["a.jpg", "b.jpg", "a.jpg"], 8), &twice);
    for name in [
        "", ".", "..", "../a.jpg", "x/a.jpg", "/a.jpg", "x\\a.jpg", "./a.jpg", "a.jpg/",
    ] {
        let quoted = format!("{name:?}");
        let parts = ["name 1", &quoted, "the name of a file", "without folders"];
        assert_names(load(&folder, &[name], 8), &parts);
        let written = write_stand_ins(&folder, &names(&[name]), |_, _| {});
        assert_names(written, &parts);
    }
    for name in ["a\0.jpg", "a.jpg\n", "\u{1b}[2J.jpg", "\u{85}.jpg"] {
        let quoted = format!("{name:?}");
        let parts = ["name 1", &quoted, "one with control characters", "Correct"];
        assert_names(load(&folder, &[name], 8), &parts);
        let written = write_stand_ins(&folder, &names(&[name]), |_, _| {});
        assert_names(written, &parts);
    }
    let long = "x".repeat(100_000);
    let error = load(&folder, &[&long], 8).expect_err("no such image");
    assert!(error.to_string().len() < 1500);
    assert_names(
        load(&folder, &[], 8),
        &["image names", "at least one", "none"],
    );
    for side in [0, 1 << 30, 1 << 62, usize::MAX] {
        let found = format!("found {side}");
        let parts = [
            "side of the images",
            "fit into memory",
            &found,
            "such as 224",
        ];
        assert_names(load(&folder, &["a.jpg"], side), &parts);
    }
}

#[test]
fn concept_in_a_name_leads_out_of_the_folder() {
    let outer = folder(&[(".._01b.jpg", &small()), ("_01b.jpg", &small())]);
    let inner = outer.path().join("images");
    fs::create_dir(&inner).expect("a folder");
    for name in [".._01b.jpg", "._01b.jpg", "_01b.jpg"] {
        let list = names(&[name]);
        let found = ThingsImages::load(&inner, &list, 8, NonZeroUsize::MIN, |_, _| {});
        assert_names(found, &["1 of them missing"]);
    }
}

#[cfg(unix)]
#[test]
fn pipe_is_read_as_an_image() {
    let folder = folder(&[]);
    let pipe = folder.path().join("a.jpg");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let parts = ["/a.jpg", "a pipe, a device", "Give the path of a file"];
    assert_names(load(&folder, &["a.jpg"], 8), &parts);
}

#[test]
fn file_that_is_no_image_is_not_named() {
    let named = |expected, found, advice| ["/a.jpg", "image \"a.jpg\"", expected, found, advice];
    let image = "a JPEG or PNG image";
    assert_names(load_bytes(b"", 8), &named(image, "an empty file", "Copy"));
    let page = named(image, "begins with [3c, 68, 74, 6d, 6c]", "Save it as");
    assert_names(load_bytes(b"<html", 8), &page);
    let webp = named(image, "begins with [52, 49, 46, 46", "Save it as");
    assert_names(load_bytes(&golden("refused_webp.webp"), 8), &webp);
    let deep = named("8 bits per channel", "found 16", "Save it as");
    assert_names(load_bytes(&golden("refused_16_bits.png"), 8), &deep);
    let cmyk = named("grey or RGB", "CMYK", "Save it as");
    assert_names(load_bytes(&golden("refused_cmyk.jpg"), 8), &cmyk);

    let folder = folder(&[]);
    fs::create_dir(folder.path().join("a.jpg")).expect("a folder");
    assert_names(
        load(&folder, &["a.jpg"], 8),
        &["/a.jpg", "Give the path of a file"],
    );
}

#[test]
fn size_in_a_damaged_file_takes_all_memory() {
    let with_size = |width: u32, height: u32| {
        let mut file = small();
        file[16..20].copy_from_slice(&width.to_be_bytes());
        file[20..24].copy_from_slice(&height.to_be_bytes());
        let checksum = crc32(&file[12..29]);
        file[29..33].copy_from_slice(&checksum.to_be_bytes());
        load_bytes(&file, 8)
    };
    let pixels = "between 1 and 67108864 pixels";
    for (width, height, found) in [
        (8193, 8192, "8193 x 8192"),
        (0x7fff_ffff, 0x7fff_ffff, "2147483647 x 2147483647"),
    ] {
        assert_names(
            with_size(width, height),
            &["\"a.jpg\"", pixels, found, "Copy"],
        );
    }
    for (width, height) in [(0, 3), (4, 0)] {
        assert_names(with_size(width, height), &["\"a.jpg\"", "PNG", "Copy"]);
    }
    // In a JPEG file, height and width stand in the segment of the frame.
    let mut file = golden("jpeg_grey_444.jpg");
    let frame = file
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .expect("a frame");
    let size = frame + 5..frame + 9;
    file[size.clone()].copy_from_slice(&[0xff; 4]);
    assert_names(
        load_bytes(&file, 8),
        &["\"a.jpg\"", pixels, "65535 x 65535", "Copy"],
    );
    file[size].copy_from_slice(&[0; 4]);
    assert_names(
        load_bytes(&file, 8),
        &["\"a.jpg\"", "a whole JPEG image", "Copy"],
    );
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    })
}

#[test]
fn image_that_is_cut_short_is_filled_up_with_grey() {
    let kinds = [
        "jpeg_colours_420",
        "jpeg_colours_progressive",
        "jpeg_grey_restarts",
    ];
    for kind in kinds {
        let whole = golden(&format!("{kind}.jpg"));
        let good = load_bytes(&whole, 16).expect("an image");
        for length in 3..whole.len() {
            let parts = ["\"a.jpg\"", "a whole JPEG image", "cut short", "Copy"];
            assert_names(load_bytes(&whole[..length], 16), &parts);
        }
        // Bytes behind the image belong to no image.
        let longer = [whole.as_slice(), &[0; 100]].concat();
        assert_eq!(load_bytes(&longer, 16).expect("an image"), good);
        // An image within the image, which ends before it: APP1, as EXIF has it.
        let inner = [
            &[0xff, 0xe1],
            &(2 + whole.len() as u16).to_be_bytes()[..],
            &whole,
        ]
        .concat();
        let outer = [&whole[..2], &inner, &whole[2..]].concat();
        assert_eq!(load_bytes(&outer, 16).expect("an image"), good);
        for length in [inner.len(), inner.len() + 2, outer.len() - 2] {
            assert_names(load_bytes(&outer[..length], 16), &["cut short"]);
        }
    }
    for name in golden_names("noise_", "x37.png") {
        let whole = golden(&name);
        for length in 4..whole.len() {
            let parts = ["\"a.jpg\"", "a whole PNG image", "Copy"];
            assert_names(load_bytes(&whole[..length], 16), &parts);
        }
    }
}

#[test]
fn damaged_image_ends_the_program_or_is_taken_for_another() {
    for name in ["palette.png", "noise_5x3.png", "jpeg_grey_progressive.jpg"] {
        let whole = golden(name);
        let good = load_bytes(&whole, 16).expect("an image");
        let mut read = 0;
        for bit in 0..8 * whole.len() {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match load_bytes(&damaged, 16) {
                // Only PNG has a checksum.
                Ok(images) if name.ends_with("png") => assert_eq!(images, good, "{name}: {bit}"),
                Ok(_) => read += 1,
                error => assert_names(error, &["\"a.jpg\""]),
            }
        }
        println!("{name}: {read} of {} bits pass", 8 * whole.len());
    }
}

#[test]
fn number_of_threads_decides_which_image_is_refused() {
    let good = small();
    let list: Vec<String> = (0..40).map(|number| format!("{number:02}.png")).collect();
    let mut files: Vec<(&str, &[u8])> =
        list.iter().map(|name| (name.as_str(), &good[..])).collect();
    for bad in [17, 18, 19, 35] {
        files[bad].1 = b"no image";
    }
    let folder = folder(&files);
    for threads in [1, 2, 3, 8, 100] {
        let threads = NonZeroUsize::new(threads).expect("not zero");
        let mut reports = 0;
        let result = ThingsImages::load(&folder, &list, 8, threads, |_, _| reports += 1);
        assert_names(result, &["image \"17.png\""]);
        assert!(reports < 40 - 3, "{reports} images");
    }
}

#[test]
fn stand_in_overwrites_a_real_image() {
    let folder = folder(&[("b.jpg", b"real")]);
    let written = write_stand_ins(&folder, &names(&["a.jpg", "b.jpg"]), |_, _| {});
    assert_names(
        written,
        &[
            "/b.jpg",
            "a place for a stand-in",
            "Give a new or empty folder",
        ],
    );
    assert_eq!(
        fs::read(folder.path().join("b.jpg")).expect("a file"),
        b"real"
    );
}

#[test]
fn split_leaves_no_image_for_testing() {
    let cases = [
        (0, 0.8),
        (1, 0.8),
        (10, 0.0),
        (10, 0.05),
        (10, 1.0),
        (10, 1.5),
        (10, -0.5),
    ];
    for (len, fraction) in [&cases[..], &[(10, f64::NAN), (10, f64::INFINITY)]].concat() {
        let found = format!("a fraction of {fraction} of {len} images");
        assert_names(
            Split::new(1, len, fraction),
            &["split", &found, "such as 0.8"],
        );
    }
}

/// A split that another program has made.
#[test]
fn image_is_in_both_lists_or_in_none() {
    let split = Split::of(vec![3, 0, 2], vec![1], 4).expect("a split");
    assert_eq!((split.train(), split.test()), (&[3, 0, 2][..], &[1][..]));
    for (train, test, found) in [
        (vec![0, 1, 2], vec![1], "the image 1 twice"),
        (vec![0, 0, 1, 2], vec![3], "the image 0 twice"),
        (vec![0, 1, 2], vec![4], "the image 4"),
        (vec![0, 2], vec![3], "no image 1"),
        (vec![], vec![0, 1, 2, 3], "0 images for training"),
        (vec![0, 1, 2, 3], vec![], "0 for testing"),
    ] {
        let refusal = Split::of(train, test, 4).expect_err("refused").to_string();
        assert!(refusal.contains(found), "`{found}` is not in: {refusal}");
        assert!(refusal.contains("0..4"), "{refusal}");
    }
}
