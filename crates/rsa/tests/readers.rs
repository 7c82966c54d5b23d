//! MATLAB and CSV files of matrices: what is read, what is refused, and in which words.

use std::{fs, io::Read, path::PathBuf};

use dacapo_rsa::{Rdm, RsaError};
use flate2::{Compression, read::ZlibEncoder};
use serde_json::Value;
use tempfile::TempDir;

/// The matrix of every file of `golden/rsa.py` that is not to be refused.
const MATRIX: [f64; 16] = [
    0.0, 0.5, 0.25, 0.125, //
    0.5, 0.0, 1.0, 0.75, //
    0.25, 1.0, 0.0, 0.625, //
    0.125, 0.75, 0.625, 0.0,
];

/// A folder that lives as long as the test, and a file in it.
fn file(name: &str, bytes: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("written");
    (folder, path)
}

/// A MATLAB file that SciPy wrote.
fn mat(case: &str) -> Vec<u8> {
    let golden: Value = serde_json::from_str(include_str!("golden/rsa.json")).expect("valid JSON");
    let hex = golden["mat"][case].as_str().expect("a hex text").as_bytes();
    hex.chunks_exact(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("hex")
        })
        .collect()
}

fn read_mat(bytes: impl AsRef<[u8]>, variable: Option<&str>) -> Result<Rdm, RsaError> {
    let (_folder, path) = file("reference.mat", bytes);
    Rdm::read_mat(path, variable)
}

fn read_csv(text: impl AsRef<[u8]>) -> Result<Rdm, RsaError> {
    let (_folder, path) = file("reference.csv", text);
    Rdm::read_csv(path)
}

#[track_caller]
fn assert_names(result: Result<Rdm, RsaError>, parts: &[&str]) {
    let text = result.expect_err("a bad file").to_string();
    for part in parts.iter().chain(&["/reference.", "expected", "found"]) {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn matlab_matrix_is_read_otherwise_than_in_scipy() {
    let cases = [
        "plain",
        "compressed",
        "single",
        "beside_text",
        "rounded",
        "big_endian",
        "big_endian_compressed",
    ];
    for case in cases {
        let rdm = read_mat(mat(case), None).unwrap_or_else(|error| panic!("{case}: {error}"));
        let error = rdm.values().iter().zip(MATRIX).map(|(a, b)| (a - b).abs());
        assert!(error.fold(0.0, f64::max) <= 1e-12, "{case}: {rdm:?}");
    }
    assert_eq!(
        read_mat(mat("two"), Some("rdm")).expect("named").values(),
        MATRIX
    );
    let other = read_mat(mat("two"), Some("other")).expect("named");
    assert_eq!(other.values(), MATRIX.map(|value| 2.0 * value));
}

#[test]
fn doubles_that_matlab_stored_as_integers_are_read_otherwise() {
    for order in ["<", ">"] {
        for storage in ["b", "B", "h", "H", "i", "I"] {
            let case = format!("stored_{order}{storage}");
            let rdm = read_mat(mat(&case), None).unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(rdm.values(), MATRIX.map(|value| 8.0 * value), "{case}");
        }
    }
}

#[test]
fn matlab_variable_is_guessed() {
    let two = ["one numeric matrix", "`rdm`, `other`", "Name one of these"];
    assert_names(read_mat(mat("two"), None), &two);
    let missing = [
        "a numeric matrix `rmd`",
        "`rdm`, `other`",
        "Name one of these",
    ];
    assert_names(read_mat(mat("two"), Some("rmd")), &missing);
    assert_names(
        read_mat(mat("only_text"), None),
        &["one numeric matrix", "none", "-v7"],
    );
    let text = ["a numeric matrix `note`", "none", "-v7"];
    assert_names(read_mat(mat("only_text"), Some("note")), &text);
}

#[test]
fn matlab_variable_that_is_no_dissimilarity_matrix_is_not_named() {
    let cases: [(&str, &[&str]); 7] = [
        (
            "asymmetric",
            &["element (3, 1)", "0.25, as in element (1, 3)", "found 0.3"],
        ),
        (
            "similarity",
            &["element (1, 1)", "0 on the diagonal", "not of similarities"],
        ),
        ("nan", &["element (2, 4)", "a finite number", "found NaN"]),
        (
            "oblong",
            &["a square matrix", "12 numbers of size [4, 3]", "-v7"],
        ),
        ("complex", &["real numbers", "complex numbers", "-v7"]),
        ("integers", &["class double or single", "integers", "-v7"]),
        (
            "two_objects",
            &["at least 3 objects", "found 2", "Give more"],
        ),
    ];
    for (case, parts) in cases {
        let parts: Vec<&str> = parts.iter().copied().chain(["variable `rdm`"]).collect();
        assert_names(read_mat(mat(case), None), &parts);
    }
}

#[test]
fn matlab_file_that_is_cut_short_is_taken_for_an_empty_one() {
    for case in ["plain", "compressed"] {
        let whole = mat(case);
        for length in 129..whole.len() {
            assert_names(read_mat(&whole[..length], None), &["cut short", "-v7"]);
        }
        assert_names(read_mat(&whole[..100], None), &["only 100 bytes", "-v7"]);
        assert_names(
            read_mat(&whole[..128], None),
            &["one numeric matrix", "none"],
        );
    }
}

#[test]
fn matlab_file_of_another_kind_is_taken_for_a_damaged_one() {
    let mut newer = mat("plain");
    newer[125] = 2;
    assert_names(read_mat(&newer, None), &["version [1, 0]", "HDF5", "-v7"]);
    let mut foreign = mat("plain");
    foreign[126] = b'X';
    assert_names(
        read_mat(&foreign, None),
        &["a MATLAB 5 file", "a header that ends in"],
    );
    let mut unknown = mat("plain");
    unknown[128] = 7;
    assert_names(
        read_mat(&unknown, None),
        &["matrices only", "type 7 at byte 128"],
    );
}

#[test]
fn damage_to_a_matlab_file_panics_or_passes_unnamed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reference.mat");
    for case in ["plain", "compressed", "big_endian", "stored_<B"] {
        let whole = mat(case);
        let mut read = 0;
        for bit in 0..8 * whole.len() {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &damaged).expect("written");
            match Rdm::read_mat(&path, None) {
                // A byte of the text at the top, of a name or of a number.
                Ok(_) => read += 1,
                error => assert_names(error, &["/reference."]),
            }
        }
        println!(
            "{case}: {read} of {} bits make no difference",
            8 * whole.len()
        );
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).expect("written");
            assert_names(Rdm::read_mat(&path, None), &["/reference."]);
        }
    }
}

#[test]
fn damage_to_a_compressed_matrix_is_read_as_numbers() {
    let whole = mat("compressed");
    for bit in 8 * 136..8 * whole.len() {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // Some bits of the stream mean nothing.
        if let Ok(rdm) = read_mat(&damaged, None) {
            assert_eq!(rdm.values(), MATRIX, "bit {bit}");
        }
    }
}

#[test]
fn damage_to_a_part_of_a_matlab_matrix_is_not_placed() {
    let damaged = |at: usize, byte: u8| {
        let mut bytes = mat("plain");
        bytes[at] = byte;
        read_mat(bytes, None)
    };
    // The parts of the matrix: flags at 136, dimensions at 152, name at 168, numbers at 176.
    let cases: [(usize, u8, &[&str]); 7] = [
        (
            132,
            0xff,
            &["whole elements", "behind the tag at byte 128", "cut short"],
        ),
        (140, 16, &["8 bytes of array flags", "16 at byte 136"]),
        (144, 99, &["a class of MATLAB", "class 99 at byte 136"]),
        (152, 6, &["dimensions", "an element of type 6 at byte 152"]),
        (168, 2, &["a name", "an element of type 2 at byte 168"]),
        (
            176,
            7,
            &["variable `rdm`", "real numbers", "type 7 at byte 176"],
        ),
        (
            160,
            5,
            &[
                "variable `rdm`",
                "8 bytes for the size [5, 4]",
                "128 bytes at byte 176",
            ],
        ),
    ];
    for (at, byte, parts) in cases {
        let parts: Vec<&str> = parts.iter().copied().chain(["-v7"]).collect();
        assert_names(damaged(at, byte), &parts);
    }
}

#[test]
fn small_file_unpacks_to_more_than_memory() {
    let packed = |length: u32| {
        let tag = [14_u32.to_le_bytes(), length.to_le_bytes()].concat();
        let zeros = std::io::repeat(0).take(1 << 20);
        let mut packed = Vec::new();
        let mut encoder = ZlibEncoder::new(tag.chain(zeros), Compression::fast());
        encoder.read_to_end(&mut packed).expect("packed");
        let mut bytes = mat("compressed")[..128].to_vec();
        bytes.extend(15_u32.to_le_bytes());
        bytes.extend((packed.len() as u32).to_le_bytes());
        bytes.extend(packed);
        read_mat(bytes, None)
    };
    let large = ["at most 1073741824 bytes", "element at byte 128", "-v7"];
    assert_names(packed((1 << 30) + 8), &large);
    // It holds more than its tag says.
    assert_names(packed(8), &["compressed element", "byte 128", "-v7"]);
}

/// A matrix element: flags, dimensions, name and numbers.
fn element(name: &[u8], size: &[u32], numbers: &[f64]) -> Vec<u8> {
    let part = |kind: u32, bytes: &[u8]| {
        let mut part = [kind.to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
        part.extend(bytes);
        part.resize(part.len().next_multiple_of(8), 0);
        part
    };
    let size: Vec<u8> = size.iter().flat_map(|size| size.to_le_bytes()).collect();
    let numbers: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let flags = [6, 0, 0, 0, 0, 0, 0, 0];
    let parts = [
        part(6, &flags),
        part(5, &size),
        part(1, name),
        part(9, &numbers),
    ];
    part(14, &parts.concat())
}

fn read_elements(elements: &[Vec<u8>], variable: Option<&str>) -> Result<Rdm, RsaError> {
    let bytes = [&mat("plain")[..128], &elements.concat()].concat();
    read_mat(bytes, variable)
}

#[test]
fn variable_of_a_name_that_is_there_twice_is_taken() {
    let rdm = element(b"rdm", &[4, 4], &MATRIX);
    assert_eq!(
        read_elements(std::slice::from_ref(&rdm), None)
            .expect("one")
            .values(),
        MATRIX
    );
    let doubled = element(b"rdm", &[4, 4], &MATRIX.map(|value| 2.0 * value));
    let other = element(b"other", &[4, 4], &MATRIX);
    let all = [rdm, other, doubled];
    for variable in [None, Some("rdm"), Some("other")] {
        assert_names(
            read_elements(&all, variable),
            &["names of their own", "`rdm` twice", "-v7"],
        );
    }
}

#[test]
fn dimensions_overflow() {
    let most = u32::MAX;
    let half = 1 << 31;
    let cases: [&[u32]; 7] = [
        &[most, most],
        &[half, half],
        &[most, most, most, most],
        &[half, half, 4],
        &[1 << 16, 1 << 16, 1 << 16, 1 << 16],
        // No matrices.
        &[],
        &[16],
    ];
    for size in cases {
        let parts = [
            "variable `rdm`",
            "8 bytes for the size",
            "128 bytes at byte",
        ];
        assert_names(
            read_elements(&[element(b"rdm", size, &MATRIX)], None),
            &parts,
        );
    }
    let cube = element(b"rdm", &[4, 2, 2], &MATRIX);
    assert_names(
        read_elements(&[cube], None),
        &["a square matrix", "[4, 2, 2]"],
    );
    for (size, found) in [
        (&[0, 0][..], "at least 3 objects"),
        (&[0, 5], "a square matrix"),
        (&[0, most, most], "a square matrix"),
    ] {
        assert_names(read_elements(&[element(b"rdm", size, &[])], None), &[found]);
    }
}

#[test]
fn name_of_a_variable_tells_the_terminal_what_to_do() {
    let long = [b'x'; 100_000];
    for name in [&b"\x1b[2J\0"[..], &long, b"\xff\xfe"] {
        let element = element(name, &[4, 2, 2], &MATRIX);
        for elements in [&[element.clone()][..], &[element.clone(), element.clone()]] {
            for variable in [None, Some("rdm")] {
                let error = read_elements(elements, variable).expect_err("no matrix");
                let error = error.to_string();
                assert!(!error.contains(char::is_control), "{error:?}");
                assert!(error.len() < 1000, "{} bytes", error.len());
            }
        }
    }
}

/// Lines of one field below a line of many: as many as the matrix would have, which no memory
/// holds.
#[test]
fn size_that_lines_only_promise_takes_all_memory() {
    let columns = 1_000_000;
    let table = format!("{}\n{}", ",".repeat(columns - 1), "1\n".repeat(columns - 1));
    assert_names(
        read_csv(&table),
        &["fields in row 2 of the matrix", "found 1"],
    );
}

#[test]
fn quoted_field_swallows_the_rest_of_the_table() {
    let open = ["whose quoted fields end", "odd number"];
    assert_names(read_csv("0,1,2\n1,0,3\n2,3,\"0"), &open);
    assert_names(read_csv("\"a,b,c\n0,1,2\n1,0,3\n2,3,0\n"), &open);
    assert!(read_csv("\"a\",b,c\n0,1,2\n1,0,\"3\"\n2,3,0\n").is_ok());
    // A byte-order mark is no part of the first number.
    assert!(read_csv("\u{feff}0,1,2\n1,0,3\n2,3,0\n").is_ok());
}

#[test]
fn damaged_text_is_repeated_to_the_terminal() {
    for field in ["\u{1b}[2J\0", &"x".repeat(100_000)] {
        let error = read_csv(format!("0,1,2\n1,0,{field}\n2,3,0\n")).expect_err("no number");
        let error = error.to_string();
        assert!(!error.contains(char::is_control), "{error:?}");
        assert!(error.len() < 1000, "{} bytes", error.len());
    }
}

#[test]
fn table_is_read_only_without_a_header() {
    let rows = "0,1,2\n1,0,3\n2,3,0\n";
    let expected = [0.0, 1.0, 2.0, 1.0, 0.0, 3.0, 2.0, 3.0, 0.0];
    let spaced = rows.replace(',', " , ").replace('\n', "\r\n");
    // A header may be of numbers, as pandas writes it.
    for header in ["", "cat,dog,cow\n", "\"a, b\",c,d\n", "0,1,2\n"] {
        for rows in [rows, spaced.as_str(), rows.trim_end()] {
            let rdm = read_csv(format!("{header}{rows}")).expect("a table");
            assert_eq!(rdm.values(), expected, "{header:?} {rows:?}");
        }
    }
}

#[test]
fn table_that_is_no_matrix_is_not_named() {
    let advice = "Give n lines of n numbers";
    let square = |found| ["as many lines as columns", found, advice];
    assert_names(read_csv(""), &["at least 3 objects", "found 0"]);
    assert_names(read_csv("0,1,2\n1,0,3\n"), &square("2 lines of 3 columns"));
    // With an index, as pandas writes it unless told otherwise.
    let index = ",a,b,c\n0,0,1,2\n1,1,0,3\n2,2,3,0\n";
    assert_names(
        read_csv(index),
        &["element (1, 1)", "a number", "\"\"", advice],
    );
    let ragged = ["3 fields in row 2", "found 2", advice];
    assert_names(read_csv("0,1,2\n1,0\n2,3,0\n"), &ragged);
    let word = ["element (2, 3)", "a number", "\"x\"", advice];
    assert_names(read_csv("0,1,2\n1,0,x\n2,3,0\n"), &word);
    let nan = ["element (2, 3)", "a finite number", "NaN"];
    assert_names(read_csv("a,b,c\n0,1,2\n1,0,nan\n2,3,0\n"), &nan);
    let mirror = ["element (3, 2)", "3, as in element (2, 3)", "found 4"];
    assert_names(read_csv("0,1,2\n1,0,3\n2,4,0\n"), &mirror);
    assert_names(read_csv(b"0,\xff,2\n"), &["a CSV file", "UTF-8", advice]);
}

/// As many lines as columns, but of one field each: numbers for the square would be 320 GB.
#[test]
fn short_lines_below_a_long_one_take_the_memory_of_a_matrix() {
    let columns = 200_000;
    let text = ["0,".repeat(columns - 1), "0\n".repeat(columns)].concat();
    assert_names(
        read_csv(text),
        &[
            "200000 fields in row 2 of the matrix",
            "found 1",
            "Give n lines",
        ],
    );
}

#[test]
fn file_that_cannot_be_read_is_not_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("reference.mat");
    assert_names(Rdm::read_mat(&missing, None), &["Check the path"]);
    assert_names(Rdm::read_csv(&missing), &["Check the path"]);
    fs::create_dir(&missing).expect("a folder");
    assert_names(Rdm::read_mat(&missing, None), &["Give the path of a file"]);
    // Opening a pipe would wait for a writer for ever.
    #[cfg(unix)]
    {
        let pipe = folder.path().join("reference.pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        let parts = ["a pipe, a device", "Give the path of a file"];
        assert_names(Rdm::read_mat(&pipe, None), &parts);
        assert_names(Rdm::read_csv(&pipe), &parts);
    }
}
