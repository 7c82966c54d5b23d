//! CSV files of targets: what is read, what is refused, and in which words.

use std::fs;

use dacapo_things::{Targets, ThingsError};

fn header() -> String {
    let dimensions: Vec<String> = (0..66).map(|number| number.to_string()).collect();
    format!(",image_name,{}", dimensions.join(","))
}

/// A row of `values` values: 0.5, 1.5 and so on.
fn row(index: usize, name: &str, values: usize) -> String {
    let values: Vec<String> = (0..values).map(|number| format!("{number}.5")).collect();
    format!("{index},{name},{}", values.join(","))
}

fn read(lines: &[String]) -> Result<Targets, ThingsError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("targets.csv");
    fs::write(&path, lines.join("\n")).expect("written");
    Targets::read_things_csv(path)
}

#[track_caller]
fn assert_names(result: Result<Targets, ThingsError>, parts: &[&str]) {
    let text = result.expect_err("a bad file").to_string();
    for part in parts.iter().chain(&["/targets.csv", "expected", "found"]) {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn targets_lose_their_order() {
    let rows = [header(), row(7, "b.jpg", 66), row(3, "\"a, 1.jpg\"", 66)];
    for end in ["", "\n", "\r\n\r\n"] {
        let mut rows = rows.clone();
        rows[2].push_str(end);
        let targets = read(&rows).expect("two rows");
        assert_eq!(targets.names(), ["b.jpg", "a, 1.jpg"]);
        assert_eq!((targets.len(), targets.values().len()), (2, 132));
        assert_eq!(targets.values()[66..68], [0.5, 1.5]);
    }
}

#[test]
fn bad_row_is_not_named() {
    let refuse = |bad: String, parts: &[&str]| {
        let lines = [header(), row(0, "a.jpg", 66), bad, row(2, "c.jpg", 66)];
        let row = "row 3 (the header is row 1)";
        let parts: Vec<&str> = parts.iter().copied().chain([row]).collect();
        assert_names(read(&lines), &parts);
    };
    let form = "66 numbers per row";
    let named = "image \"b.jpg\"";
    refuse(row(1, "b.jpg", 65), &[named, "66 values", "found 65", form]);
    refuse(row(1, "b.jpg", 67), &[named, "66 values", "found 67", form]);
    refuse(
        "1".to_owned(),
        &["image \"\"", "66 values", "found 0", form],
    );
    refuse(row(1, "", 66), &["image \"\"", "an image name", form]);
    for value in ["NaN", "inf", "", "x"] {
        let bad = row(1, "b.jpg", 66).replace(",4.5,", &format!(",{value},"));
        let found = format!("found {value:?}");
        let parts = [named, "a finite number in dimension 4", &found, "Correct"];
        refuse(bad, &parts);
    }
    let parts = [
        "image \"a.jpg\"",
        "a name of its own",
        "the name of row 2",
        "Remove",
    ];
    refuse(row(1, "a.jpg", 66), &parts);
}

#[test]
fn file_that_holds_no_targets_is_taken_for_an_empty_set() {
    let form = "Give a file `,image_name,0,1,...,65`";
    assert_names(
        read(&[header()]),
        &["at least one row", "only a header", form],
    );
    let expected = "the header `,image_name,0,1,...,65`";
    assert_names(read(&[]), &[expected, "0 columns", form]);
    let headless = [row(0, "a.jpg", 66)];
    assert_names(read(&headless), &[expected, "68 columns", form]);
    let shuffled = header().replace("3,4", "4,3");
    assert_names(read(&[shuffled, row(0, "a.jpg", 66)]), &[expected, form]);
    let missing = Targets::read_things_csv("no/such/targets.csv");
    assert_names(missing, &["Check the path"]);
}

#[test]
fn quoted_field_swallows_the_rest_of_the_file() {
    let open = "whose quoted fields end";
    // In front of the last value, which without it would be one; in front of a name.
    let mut last = row(1, "b.jpg", 66);
    last.insert(last.rfind(',').expect("values") + 1, '"');
    let name = row(1, "\"b.jpg", 66);
    for bad in [last, name] {
        let lines = [header(), row(0, "a.jpg", 66), bad, row(2, "c.jpg", 66)];
        assert_names(read(&lines[..3]), &[open, "odd number", "Give a file"]);
        assert_names(read(&lines), &[open]);
    }
    let quoted = row(1, "\"b \"\"1\"\".jpg\"", 66);
    let targets = read(&[header(), quoted]).expect("a row");
    assert_eq!(targets.names(), ["b \"1\".jpg"]);
}

#[test]
fn byte_order_mark_becomes_a_part_of_the_header() {
    let lines = [format!("\u{feff}{}", header()), row(0, "a.jpg", 66)];
    assert_eq!(read(&lines).expect("a row").names(), ["a.jpg"]);
    // In UTF-16, as spreadsheets write it.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("targets.csv");
    let wide: Vec<u8> = lines
        .join("\n")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(&path, wide).expect("written");
    assert_names(Targets::read_things_csv(&path), &["a CSV file", "UTF-8"]);
}

#[test]
fn damaged_text_is_repeated_to_the_terminal() {
    let long = "x".repeat(100_000);
    let lines = |bad: String| [header(), bad];
    for bad in [
        lines(row(0, "a\u{1b}[2J\0.jpg", 65)),
        lines(row(0, &long, 65)),
        lines(row(0, "a.jpg", 66).replace(",4.5,", &format!(",{long},"))),
        lines(row(0, "a.jpg", 66).replace(",4.5,", ",4.5\u{7},")),
        [long.clone(), String::new()],
        ["\u{1b}[2J,\0".to_owned(), String::new()],
    ] {
        let error = read(&bad).expect_err("a bad file").to_string();
        assert!(!error.contains(char::is_control), "{error:?}");
        assert!(error.len() < 1500, "{} bytes", error.len());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("targets.csv");
    let mut bytes = [header(), row(0, "a.jpg", 66)].join("\n").into_bytes();
    let name = bytes.windows(5).position(|bytes| bytes == b"a.jpg");
    bytes[name.expect("a name")] = 0xff;
    fs::write(&path, bytes).expect("written");
    assert_names(Targets::read_things_csv(&path), &["a CSV file", "UTF-8"]);
}

#[test]
fn folder_or_pipe_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("targets.csv");
    fs::create_dir(&path).expect("a folder");
    assert_names(
        Targets::read_things_csv(&path),
        &["Give the path of a file"],
    );
    #[cfg(unix)]
    {
        fs::remove_dir(&path).expect("removed");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        let parts = ["a pipe, a device", "Give the path of a file"];
        assert_names(Targets::read_things_csv(&path), &parts);
    }
}
