//! Damaged and malicious files.

mod common;

use dacapo_pth::PthFile;

use common::{GOLDEN, archive, assert_says, file, read_all, read_golden, refusal};

/// A tensor of the 16 bytes of [`file`]'s storage: everything after the storage.
fn tensor(storage: &[u8], rest: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 5] = [
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage",
        storage,
        b"tQ",
        rest,
        b"\x89ccollections\nOrderedDict\n)RtR",
    ];
    file(&parts.concat())
}

const FLOATS: &[u8] = b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x06\0\0\0cuda:0K\x04";

#[test]
fn truncation_passes_or_panics() {
    for name in GOLDEN.into_iter().chain(["before-1.6.pth"]) {
        let whole = read_golden(name);
        for len in 0..whole.len() {
            let error = read_all(whole[..len].to_vec()).expect_err("it is cut short");
            assert_says(&error.to_string(), &["test.pth: ", "expected ", "found "]);
        }
    }
}

/// Names, sizes and offsets outside the checksums may change without an effect.
#[test]
fn corruption_changes_a_value_or_panics() {
    let mut seed = 1_u64;
    let mut next = || {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (seed >> 33) as usize
    };
    let (mut refused, mut unharmed) = (0, 0);
    for name in GOLDEN {
        let whole = read_golden(name);
        let expected = read_all(whole.clone()).unwrap();
        for _ in 0..3000 {
            let (mut bytes, at) = (whole.clone(), next() % whole.len());
            bytes[at] ^= 1 + (next() % 255) as u8;
            match read_all(bytes) {
                Ok(found) => {
                    assert_eq!(found, expected, "{name}: byte {at}");
                    unharmed += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(
        refused > unharmed / 4,
        "{refused} refused, {unharmed} unharmed"
    );
}

/// The same inside the pickle, with a right checksum: any value or an error.
#[test]
fn corrupt_pickle_panics() {
    for name in ["plain.pth", "views.pth", "model.pth"] {
        let whole = read_golden(name);
        let after = whole.windows(4).position(|bytes| bytes == b"PK\x07\x08");
        // The first entry, up to its data descriptor.
        let pickle = &whole[64..after.expect("torch writes one")];
        assert!(pickle.starts_with(b"\x80\x02") && pickle.ends_with(b"."));
        for at in 0..pickle.len() {
            for change in [1, 0x20, 0x80, 0xff] {
                let mut pickle = pickle.to_vec();
                pickle[at] ^= change;
                let _ = read_all(with_storages(&pickle));
            }
            read_all(with_storages(&pickle[..at])).expect_err("it is cut short");
        }
    }
}

/// A file of this pickle and storages of 64 bytes.
fn with_storages(pickle: &[u8]) -> Vec<u8> {
    let names: Vec<String> = (0..20).map(|key| format!("a/data/{key}")).collect();
    let storages = names.iter().map(|name| (name.as_str(), &[1_u8; 64][..]));
    let entries: Vec<(&str, &[u8])> = [("a/data.pkl", pickle)]
        .into_iter()
        .chain(storages)
        .collect();
    archive(&entries)
}

#[test]
fn function_is_executed_or_not_named() {
    let message = refusal(file(b"cos\nsystem\nX\x02\0\0\0ls\x85R"));
    assert_says(
        &message,
        &[
            "test.pth: a/data.pkl at byte 2: ",
            "the global `os.system`",
            "never executed",
        ],
    );
    assert_says(&refusal(file(b"cposix\nsystem\n")), &["`posix.system`"]);
    assert_says(
        &refusal(file(b"c__builtin__\neval\n")),
        &["`__builtin__.eval`"],
    );
    // Known, but no value.
    assert_says(&refusal(file(b"ctorch\nfloat32\n")), &["`torch.float32`"]);
    // INST and STACK_GLOBAL, which torch.save does not write.
    assert_says(
        &refusal(file(b"(ios\nsystem\n")),
        &["the global `os.system`"],
    );
    assert_says(
        &refusal(file(b"X\x02\0\0\0osX\x06\0\0\0system\x93")),
        &["the global `os.system`"],
    );
    // OBJ, NEWOBJ and BUILD come after the class, which is refused where it is named.
    for pickle in [
        &b"(csubprocess\nPopen\nX\x02\0\0\0lso"[..],
        b"csubprocess\nPopen\n)\x81",
        b"csubprocess\nPopen\n)R}b",
    ] {
        assert_says(&refusal(file(pickle)), &["the global `subprocess.Popen`"]);
    }
    // Only TorchScript archives have classes.
    assert_says(
        &refusal(file(b"c__torch__\nM\n)\x81}b")),
        &["`__torch__.M`"],
    );
}

#[test]
fn opcode_of_another_protocol_is_taken() {
    // OBJ, STACK_GLOBAL, EXT1, PERSID, POP, DUP, LONG4, BINBYTES, FRAME.
    for opcode in b"o\x93\x82P02\x8bB\x95" {
        let message = refusal(file(&[b'N', *opcode, 0, 0, 0, 0, b'\n', b'\n']));
        assert_says(&message, &["a/data.pkl at byte 3", "found opcode 0x"]);
    }
    let message = refusal(archive(&[("a/data.pkl", b"\x80\x04N.")]));
    assert_says(&message, &["protocol 2", "protocol 4"]);
}

#[test]
fn stack_or_memo_is_believed() {
    for pickle in [
        &b""[..],
        b"t",
        b"\x85",
        b"N(\x85",
        b"h\x07",
        b"j\xff\xff\xff\xff",
        b"q\0",
        b"Nb",
        b"R",
        b"a",
        b"e",
        b"}(NuN",
        b"}(Nu",
        b"NNs",
        b"](K\x01uN",
        b"Q",
        b"NQ",
        b"N)R",
        b"ccollections\nOrderedDict\n)\x81",
        b"ccollections\nOrderedDict\n)R}X\x01\0\0\0aNsb",
        b"}]Ns",
        b"cnumpy\nndarray\n",
        b"cnumpy\ndtype\nX\x02\0\0\0O8\x89\x88\x87R",
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nNN\x87R",
    ] {
        let message = refusal(file(pickle));
        assert_says(&message, &["a/data.pkl at byte ", "expected ", "found "]);
    }
}

#[test]
fn length_beyond_the_file_is_allocated() {
    let message = refusal(file(b"X\xff\xff\xff\xffabc"));
    assert_says(
        &message,
        &["expected 4294967295 more bytes, found 4 until the end"],
    );
    refusal(file(b"\x8a\xff"));
    refusal(file(&[b"\x8a\x11".as_slice(), &[1; 17]].concat()));
}

#[test]
fn nesting_overflows_the_stack() {
    for (open, close) in [(&b"]"[..], &b"a"[..]), (b")", b"\x85"), (b"}N", b"s")] {
        let deep = [open.repeat(200_000), b"N".to_vec(), close.repeat(200_000)].concat();
        let message = refusal(file(&deep));
        assert_says(
            &message,
            &["expected values that are nested at most 100 deep"],
        );
    }
    // A list inside itself.
    assert_says(&refusal(file(b"]q\0h\0a")), &["nested at most 100 deep"]);
}

#[test]
fn small_pickle_becomes_a_large_value() {
    // Every list holds the one before ten times.
    let mut pickle = b"]q\0".to_vec();
    for level in 0..30_u8 {
        let inner = [b'h', level].repeat(10);
        pickle.extend([&b"]("[..], &inner, b"eq", &[level + 1]].concat());
    }
    assert_says(
        &refusal(file(&pickle)),
        &["repeats itself into a very large value"],
    );
    // One long text, encoded again and again.
    let mut pickle = b"(c_codecs\nencode\nq\0X\x10\x27\0\0".to_vec();
    pickle.extend([b'a'; 10_000]);
    pickle.extend(b"q\x01X\x06\0\0\0latin1q\x02\x86R");
    pickle.extend(b"h\0h\x01h\x02\x86R".repeat(1000));
    pickle.push(b't');
    assert_says(
        &refusal(file(&pickle)),
        &["repeats itself into a very large value"],
    );
}

#[test]
fn tensor_leaves_its_storage() {
    assert!(read_all(tensor(FLOATS, b"K\0K\x04\x85K\x01\x85")).is_ok());
    for rest in [
        &b"K\x01K\x04\x85K\x01\x85"[..],
        b"K\0K\x05\x85K\x01\x85",
        b"K\0K\x04\x85K\x02\x85",
        // Offsets, sizes and strides that overflow.
        b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x04\x85K\x01\x85",
        b"K\0\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85K\x01\x85",
        b"K\0K\x04\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85",
        b"K\0\x8a\x08\0\0\0\0\0\0\0\x40K\x04\x86K\0K\0\x86",
        b"K\0J\xff\xff\xff\xff\x85K\x01\x85",
        b"K\0K\x04\x85J\xff\xff\xff\xff\x85",
        b"K\0K\x04\x85)",
        b"NK\x04\x85K\x01\x85",
        // An expanded tensor, larger than the file.
        b"K\0M\x10\x27\x85K\0\x85",
    ] {
        assert_says(&refusal(tensor(FLOATS, rest)), &["a/data.pkl at byte "]);
    }
}

#[test]
fn stride_that_is_never_taken_overflows() {
    // Shape (1, 2, 2), strides (2^64 - 1, 1, 2).
    let largest = b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0";
    let rest = [b"K\0K\x01K\x02K\x02\x87", &largest[..], b"K\x01K\x02\x87"].concat();
    let found = read_all(tensor(FLOATS, &rest)).unwrap();
    let bytes = "00010203".to_owned() + "08090a0b" + "04050607" + "0c0d0e0f";
    assert_eq!(
        found,
        serde_json::json!({"tensor": ["float32", [1, 2, 2], bytes]})
    );
}

#[test]
fn empty_tensor_of_a_huge_shape_is_allocated() {
    let huge = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    let rest = [huge, &huge[..], huge, b"K\0\x87K\0K\0K\x01\x87"].concat();
    assert!(read_all(tensor(FLOATS, &rest)).is_ok());
    let rest = [&huge[..], b"K\0\x85K\x01\x85"].concat();
    assert!(read_all(tensor(FLOATS, &rest)).is_ok());
}

#[test]
fn storage_is_not_the_declared_one() {
    let rest = b"K\0K\x01\x85K\x01\x85";
    let cases: [(&[u8], &str); 7] = [
        (
            b"ctorch\nFloatStorage\nX\x01\0\0\x001X\x03\0\0\0cpuK\x04",
            "expected an entry \"a/data/1\"",
        ),
        (
            b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x05",
            "a storage of 5 elements in \"a/data/0\", found an entry of 16 bytes",
        ),
        (
            b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x03",
            "a storage of 3 elements in \"a/data/0\", found an entry of 16 bytes",
        ),
        (
            b"ctorch\nFloatStorage\nX\x04\0\0\0../0X\x03\0\0\0cpuK\x04",
            "expected an entry \"a/data/../0\"",
        ),
        (
            b"ctorch\nQInt8Storage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04",
            "`torch.QInt8Storage`",
        ),
        (
            b"ctorch.storage\nUntypedStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x10",
            "one dtype",
        ),
        (b"NX\x01\0\0\x000X\x03\0\0\0cpuK\x04", "found None"),
    ];
    for (storage, says) in cases {
        assert_says(&refusal(tensor(storage, rest)), &[says]);
    }
}

#[test]
fn damaged_storage_is_used() {
    let mut bytes = tensor(FLOATS, b"K\0K\x04\x85K\x01\x85");
    let storage: Vec<u8> = (0..16).collect();
    let at = bytes
        .windows(16)
        .position(|window| window == storage)
        .unwrap();
    bytes[at + 3] ^= 1;
    assert_says(
        &refusal(bytes),
        &["a/data/0: expected bytes of the checksum", "copy it again"],
    );
}

#[test]
fn entry_or_end_of_the_archive_is_believed() {
    let good = file(b"N");
    assert!(read_all(good.clone()).is_ok());
    let end = good.len() - 22;
    // The number of entries, the directory's length and its place.
    for at in [10, 13, 17] {
        let mut bytes = good.clone();
        bytes[end + at] = 0xfe;
        assert_says(&refusal(bytes), &["the directory: expected "]);
    }
    let twice = archive(&[("a/data.pkl", b"\x80\x02N."), ("a/data.pkl", b"\x80\x02N.")]);
    assert_says(&refusal(twice), &["a/data.pkl twice"]);
    let two = archive(&[("a/data.pkl", b"\x80\x02N."), ("b/data.pkl", b"\x80\x02N.")]);
    assert_says(&refusal(two), &["one entry data.pkl"]);
}

/// Storages that tensors share stay in memory: ten of them over the same bytes, ten times those.
#[test]
fn entries_that_overlap_take_memory_many_times() {
    let storage = vec![7; 1000];
    let mut bytes = archive(&[
        ("a/data.pkl", b"\x80\x02N."),
        ("a/data/0", &storage),
        ("a/data/1", b""),
    ]);
    assert!(read_all(bytes.clone()).is_ok());
    // The directory's record of the last entry becomes that of the one before.
    let records: Vec<usize> = (0..bytes.len())
        .filter(|at| bytes[*at..].starts_with(b"PK\x01\x02"))
        .collect();
    let [_, from, to] = records[..] else {
        panic!("{records:?}");
    };
    for fields in [16..28, 42..46] {
        bytes.copy_within(from + fields.start..from + fields.end, to + fields.start);
    }
    assert_says(
        &refusal(bytes),
        &[
            "the directory: expected entries that do not overlap",
            "a/data/1",
        ],
    );
}

#[test]
fn zip64_record_claims_entries_that_do_not_exist() {
    let good = read_golden("dora.pth");
    let record = good
        .windows(4)
        .position(|bytes| bytes == b"PK\x06\x06")
        .expect("torch writes one");
    for field in [32, 40, 48] {
        let mut bytes = good.clone();
        bytes[record + field..record + field + 8].fill(0xff);
        assert_says(&refusal(bytes), &["the directory: expected "]);
    }
}

/// The bytes `field` bytes behind the beginning of an entry's record in the directory.
fn set(archive: &mut [u8], name: &str, field: usize, value: &[u8]) {
    let record = (0..archive.len()).find(|&at| {
        archive[at..].starts_with(b"PK\x01\x02")
            && archive.get(at + 46..at + 46 + name.len()) == Some(name.as_bytes())
    });
    let at = record.expect("a record") + field;
    archive[at..at + value.len()].copy_from_slice(value);
}

const PICKLE: &[u8] = b"\x80\x02N.";

#[test]
fn entry_leads_out_of_the_archive() {
    let cases = [
        ("", "an empty one: \"\""),
        ("a/../b", "one that leads to another folder: \"a/../b\""),
        ("../b", "one that leads to another folder: \"../b\""),
        ("a/./b", "one that leads to another folder: \"a/./b\""),
        ("a//b", "one that leads to another folder: \"a//b\""),
        ("..", "one that leads to another folder: \"..\""),
        ("/etc/passwd", "an absolute one: \"/etc/passwd\""),
        ("C:/b", "an absolute one: \"C:/b\""),
        ("a\\b", "one with a backslash: \"a\\\\b\""),
        ("a/b\0", "one with control characters: \"a/b\\0\""),
        (
            "a/\u{1b}[2J",
            "one with control characters: \"a/\\u{1b}[2J\"",
        ),
    ];
    for (name, says) in cases {
        let message = refusal(archive(&[("a/data.pkl", PICKLE), (name, b"")]));
        assert_says(&message, &["the directory: expected names", says]);
    }
    let long = format!("/{}", "x".repeat(60_000));
    let message = refusal(archive(&[("a/data.pkl", PICKLE), (&long, b"")]));
    assert!(message.len() < 1000, "{} bytes", message.len());
    // What torch writes for a folder's name.
    for name in ["a/.format_version", "a/.data/serialization_id", "a/folder/"] {
        assert!(read_all(archive(&[("a/data.pkl", PICKLE), (name, b"")])).is_ok());
    }
}

#[test]
fn name_that_is_no_text_is_guessed() {
    let mut bytes = archive(&[("a/data.pkl", PICKLE), ("a/b", b"")]);
    set(&mut bytes, "a/b", 46, b"a/\xff");
    assert_says(
        &refusal(bytes),
        &["expected an entry's name in UTF-8, found \"a/\\xff\""],
    );
}

#[test]
fn link_or_folder_with_content_is_a_file() {
    let mode = |mode: u32| (mode << 16).to_le_bytes();
    let cases = [
        ("a/data.pkl", 0o120_777, "found a symbolic link"),
        ("a/data.pkl", 0o010_644, "found a device, a pipe"),
        ("a/data.pkl", 0o020_644, "found a device, a pipe"),
        ("a/data.pkl", 0o040_755, "found a folder"),
        ("a/x/", 0, "found a folder with content"),
        ("a/x/", 0o040_755, "found a folder with content"),
    ];
    for (name, kind, says) in cases {
        let mut bytes = archive(&[("a/data.pkl", PICKLE), ("a/x/", b"y")]);
        set(&mut bytes, name, 38, &mode(kind));
        let place = format!("{name}: expected a plain file");
        assert_says(&refusal(bytes), &[&place, says]);
    }
    // As other programs pack what torch wrote.
    for kind in [0, 0o644, 0o100_644] {
        let mut bytes = archive(&[("a/data.pkl", PICKLE), ("a/x/", b"")]);
        set(&mut bytes, "a/data.pkl", 38, &mode(kind));
        set(&mut bytes, "a/x/", 38, &mode(0o040_755));
        assert!(read_all(bytes).is_ok());
    }
}

#[test]
fn entries_share_their_bytes() {
    let storages = [("a/data.pkl", PICKLE), ("a/data/0", &[7; 64][..])];
    let good = archive(&[storages[0], storages[1], ("a/data/1", &[7; 64])]);
    assert!(read_all(good.clone()).is_ok());
    // Both at the place of the first; the second inside the first; behind the directory.
    let second = 30 + 10 + 4_u32;
    let directory = good.windows(4).position(|bytes| bytes == b"PK\x01\x02");
    let directory = directory.expect("a directory") as u32;
    for header in [second, second + 40, directory, directory - 40] {
        let mut bytes = good.clone();
        set(&mut bytes, "a/data/1", 42, &header.to_le_bytes());
        let message = refusal(bytes);
        assert_says(
            &message,
            &["a/data/", "bytes of its own", "another part of the archive"],
        );
    }
    // An extra field that moves the bytes into the next entry tells only when it is read.
    let pickle = [
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage",
        FLOATS,
        b"tQK\0K\x04\x85K\x01\x85\x89}tR.",
    ];
    let pickle = pickle.concat();
    let mut bytes = archive(&[
        ("a/data.pkl", &pickle),
        ("a/data/0", &[0; 16]),
        ("a/data/1", &[0; 64]),
    ]);
    assert!(read_all(bytes.clone()).is_ok());
    let header = 30 + 10 + pickle.len();
    bytes[header + 28] = 46;
    assert_says(
        &refusal(bytes),
        &["a/data/0: expected 16 bytes of its own", "another part"],
    );
}

#[test]
fn name_in_front_of_the_bytes_is_another() {
    let mut bytes = archive(&[("a/data.pkl", PICKLE)]);
    bytes[30] = b'b';
    assert_says(
        &refusal(bytes),
        &["a/data.pkl: expected its own name", "\"b/data.pkl\""],
    );
}

#[test]
fn key_is_in_a_dict_twice() {
    for pickle in [
        &b"}(X\x01\0\0\0aK\x01X\x01\0\0\0aK\x02u"[..],
        b"}X\x01\0\0\0aK\x01sX\x01\0\0\0aK\x01s",
        b"ccollections\nOrderedDict\n)R(X\x01\0\0\0aNX\x01\0\0\0aNu",
    ] {
        let says = ["a dict that has every key once", "the key \"a\" twice"];
        assert_says(&refusal(file(pickle)), &says);
    }
    let twice = b"}(K\x07NK\x07Nu";
    assert_says(&refusal(file(twice)), &["the key 7 twice"]);
}

#[test]
fn attribute_of_a_state_dict_is_dropped() {
    let attribute = b"ccollections\nOrderedDict\n)R}X\x04\0\0\0hookNsb";
    let says = ["no attribute of an OrderedDict", "these: \"hook\""];
    assert_says(&refusal(file(attribute)), &says);
}

#[test]
fn message_tells_the_terminal_what_to_do() {
    let long = "x".repeat(100_000);
    for pickle in [
        "cos\r\u{1b}[2J\nsystem\u{7}\n".to_owned(),
        format!("cos\n{long}\n"),
        format!("(i{long}\u{1b}\n{long}\n"),
    ] {
        let message = refusal(file(pickle.as_bytes()));
        assert_says(&message, &["the global `"]);
        assert!(!message.contains(char::is_control), "{message:?}");
        assert!(message.len() < 2000, "{} bytes", message.len());
    }
}

#[test]
fn folder_or_pipe_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let message = PthFile::open(folder.path()).unwrap_err().to_string();
    assert_says(&message, &["found a folder. Give the path of a file"]);
    // Opening it would wait for a writer for ever.
    #[cfg(unix)]
    {
        let pipe = folder.path().join("pipe.pth");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        let message = PthFile::open(&pipe).unwrap_err().to_string();
        assert_says(&message, &["pipe.pth: ", "found a pipe, a device"]);
    }
}

#[test]
fn other_kind_of_file_gives_a_riddle() {
    let cases: [(Vec<u8>, &str); 7] = [
        (Vec::new(), "an empty file"),
        (read_golden("before-1.6.pth"), "a file of torch before 1.6"),
        (b"\x80\x04N.".to_vec(), "a pickle without torch's archive"),
        (
            b"\x40\0\0\0\0\0\0\0{\"a\":1}".to_vec(),
            "a file of safetensors",
        ),
        (b"hello".to_vec(), "another kind of file"),
        (
            archive(&[("word/document.xml", b"x")]),
            "a zip archive without data.pkl",
        ),
        (
            archive(&[("a/data.pkl", b"\x80\x02N."), ("a/byteorder", b"big")]),
            "byte order \"big\"",
        ),
    ];
    for (bytes, says) in cases {
        assert_says(
            &refusal(bytes),
            &["test.pth: expected a file of torch.save's zip format", says],
        );
    }
    assert_says(
        &refusal(read_golden("before-1.6.pth")),
        &["save it again", "torch.save("],
    );
}
