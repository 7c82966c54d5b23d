//! Small files to begin with: mostly those that the repository's tests have, as they are or
//! cut down.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
};

use burn_flex::Flex;
use dacapo::{
    config::RunConfig,
    record::{open, seal},
    trainer::TrainerRecord,
};
use flate2::read::ZlibDecoder;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;

use crate::{mat, zip};

/// The seeds of a target: a name and the bytes of each.
///
/// # Panics
/// If there is no such target, or if the repository's files are not where they should be.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    match target {
        "checkpoint" => checkpoint(),
        "safetensors" => safetensors(),
        "pth" => pth(),
        "config" => config(),
        "csv" => csv(),
        "mat" => matlab(),
        _ => panic!("no target {target}"),
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn read(path: &str) -> Vec<u8> {
    let path = repository(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(path: &str) -> String {
    String::from_utf8(read(path)).expect("a text")
}

/// The kept checkpoints, whole and without most of their tensors, sealed and not; a base.
fn checkpoint() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for name in ["vit-dora", "conv-net-full"] {
        let file = read(&format!("tests/corpus/v1/{name}.mpk"));
        let path = Path::new(name);
        let payload = open(path, &file).expect("a whole file");
        let mut record = TrainerRecord::from_payload(path, payload).expect("a whole record");
        while record.adapters.len() > 1 {
            record.adapters.pop_last();
        }
        while record.buffers.len() > 1 {
            record.buffers.pop_last();
        }
        record.run.config.clear();
        record.run.history.truncate(1);
        let small = record.to_payload::<Flex>().expect("a record");
        seeds.push((format!("{name}-payload"), payload.to_vec()));
        seeds.push((format!("{name}-small-payload"), small.clone()));
        seeds.push((format!("{name}-small"), seal(small)));
        seeds.push((name.to_owned(), file));
    }
    let fixture = read("crates/record/tests/fixtures/burn-0.21.0.mpk");
    seeds.push(("fixture-payload".to_owned(), fixture));

    // {"kkk..": [nil, nil, ..]}: each of the leaves has a path of a thousand bytes.
    let mut long = b"\x81\xda\x03\xe8".to_vec();
    long.extend([b'k'; 1000]);
    long.extend(b"\xdc\x0b\xb8");
    long.extend([0xc0; 3000]);
    seeds.push(("long-key-payload".to_owned(), long));

    let mut base = dacapo::digits::BaseRecord::embedded().expect("the program is whole");
    base.tensors.retain(|_, data| data.num_elements() < 20);
    let base = dacapo::trainer::to_payload::<Flex, _>(base).expect("a record");
    seeds.push(("base-payload".to_owned(), base));
    seeds
}

/// Files of every layout and type for a CLIP of single numbers, and an index.
fn safetensors() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for layout in ["clip_hf", "clip_openai"] {
        let golden = read(&format!("crates/models/tests/golden/{layout}.safetensors"));
        let (_, header) = safetensors::SafeTensors::read_metadata(&golden).expect("a whole file");
        let tensors = header.tensors();
        // Every layer after the first is left out, and every size but those that are fixed is one.
        let shapes: BTreeMap<&String, Vec<usize>> = tensors
            .iter()
            .filter(|(name, _)| !(1..9).any(|layer| name.contains(&format!("s.{layer}."))))
            .map(|(name, info)| {
                let mut shape = vec![1; info.shape.len()];
                if name.starts_with("vis") && name.contains("position") {
                    shape[0] = 2;
                } else if name.contains("in_proj") {
                    shape[0] = 3;
                } else if let Some(channels) = shape.get_mut(1).filter(|_| info.shape.len() == 4) {
                    *channels = 3;
                }
                (name, shape)
            })
            .collect();
        for (dtype, size) in [(Dtype::F32, 4), (Dtype::F16, 2), (Dtype::BF16, 2)] {
            let zeros = [0; 12];
            let views = shapes.iter().map(|(name, shape)| {
                let len = size * shape.iter().product::<usize>();
                let view = TensorView::new(dtype, shape.clone(), &zeros[..len]);
                (name, view.expect("as many bytes as the shape needs"))
            });
            let file = safetensors::serialize(views, None).expect("a file");
            seeds.push((format!("{layout}-{dtype:?}"), file));
        }
    }
    let index = br#"{"metadata":{"total_size":4},"weight_map":{"logit_scale":"a.safetensors"}}"#;
    seeds.push(("index".to_owned(), index.to_vec()));
    seeds
}

/// Files that torch wrote, and the pickles in them.
fn pth() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for path in [
        "crates/pth/tests/golden/dora.pth",
        "crates/pth/tests/golden/dtypes.pth",
        "crates/pth/tests/golden/model.pth",
        "crates/pth/tests/golden/plain.pth",
        "crates/pth/tests/golden/script.pt",
        "crates/pth/tests/golden/views.pth",
        "crates/pth/tests/golden/checkpoint.pth",
        "tests/golden/clip_hba/adamw/dora_params/epoch0_dora_params.pth",
        "tests/golden/clip_hba/adamw/random_states/dataset_split_indices.pth",
        "tests/golden/clip_hba/sgd/random_states/epoch0_random_states.pth",
    ] {
        let (_, name) = path.rsplit_once('/').expect("a path");
        let file = read(path);
        let pickle = zip::pickle(&file).expect("a pickle");
        seeds.push((format!("{name}.pickle"), pickle.to_vec()));
        if file.len() < 8000 {
            seeds.push((name.to_owned(), file));
        }
    }
    seeds
}

/// Every TOML text of the documentation and the examples, settings that they lack, and
/// assignments.
fn config() -> Vec<(String, Vec<u8>)> {
    let mut texts = Vec::new();
    for name in ["clip_hba", "clip_small", "digits"] {
        texts.push(text(&format!("examples/{name}.toml")));
    }
    for name in ["config", "experiments"] {
        let page = text(&format!("docs/{name}.md"));
        for block in page.split("```toml\n").skip(1) {
            let end = block.find("```").expect("a block ends");
            texts.push(block[..end].to_owned());
        }
    }
    for config in [RunConfig::default(), RunConfig::pretrain()] {
        texts.push(toml::to_string(&config).expect("settings"));
    }
    texts.extend(
        [
            "[optimizer]\nkind = \"sgd\"\nlr = 0.1\nmomentum = 0.9\nnesterov = true\n",
            "[scheduler]\nkind = \"step\"\nevery = 3\nfactor = 0.5\n",
            "[scheduler]\nkind = \"exponential\"\nfactor = 0.9\n",
            "[scheduler]\nkind = \"constant\"\n",
            "optimizer.lr=1e-3\nscheduler.kind=constant\ntrain.epochs = 3\n",
            "model.kind=conv-net\nadapt.mode=full\ndata.classes=[0, 1]\n",
            "baseline = \"runs/a\"\nat = [1, 2]\nkinds = [\"label-shuffle\"]\nseeds = [1, 2]\n",
            "baseline = \"a\"\nat = [3]\nkinds = [\"learning-rate\", \"image-noise\"]\nseeds = [1]\n\
             length = 2\nfactor = 0.5\nset = [\"optimizer.lr=1e-4\"]\n",
        ]
        .map(str::to_owned),
    );
    // Deeper than the stack of a test, if it became tables in tables.
    texts.push(format!("{}=1\n", vec!["a"; 10_000].join(".")));
    let key = format!("{{{}=", ["a"; 79].join("."));
    texts.push(format!("x={}1{}\n", key.repeat(78), "}".repeat(78)));
    let texts = texts.into_iter().enumerate();
    texts
        .map(|(number, text)| (format!("text-{number:02}"), text.into_bytes()))
        .collect()
}

fn csv() -> Vec<(String, Vec<u8>)> {
    let targets = read("tests/golden/clip_hba/targets.csv");
    let rows: Vec<&[u8]> = targets.split_inclusive(|byte| *byte == b'\n').collect();
    let header: Vec<String> = (0..66).map(|dimension| dimension.to_string()).collect();
    let zeros = ["0"; 66].join(",");
    let header = header.join(",");
    let short = format!(",image_name,{header}\r\n0,\"a \"\"b\"\"\",{zeros}\r\n1,c,{zeros}");
    // As many lines as columns, but short ones.
    let ragged = ["0,".repeat(999), "0\n".repeat(1000)].concat();
    [
        ("matrix-ragged", ragged.as_str()),
        ("matrix", "0,0.5,1\n0.5,0,.25\n1,.25,0\n"),
        ("matrix-header", "a,b,c\r\n0,0.5,1\r\n0.5,0,2e-1\r\n1,0.2,0"),
        ("matrix-quoted", "\"0\",1, 2\n1,-0.0,\"3\"\n2,3,0\n\n"),
        ("matrix-4", "0,1,2,3\n1,0,4,5\n2,4,0,6\n3,5,6,0\n"),
        ("oblong", "0,1\n1,0\n2,3\n4,5\n"),
        ("targets-short", short.as_str()),
    ]
    .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    .into_iter()
    .chain([("targets".to_owned(), rows[..rows.len().min(3)].concat())])
    .collect()
}

/// Files that SciPy wrote, and the elements in them.
fn matlab() -> Vec<(String, Vec<u8>)> {
    let golden = text("crates/rsa/tests/golden/rsa.json");
    let golden: Value = serde_json::from_str(&golden).expect("JSON");
    let mut seeds = Vec::new();
    for (name, hex) in golden["mat"].as_object().expect("files by name") {
        let hex = hex.as_str().expect("hex").as_bytes();
        let digits = hex.as_chunks::<2>().0.iter();
        let file: Vec<u8> = digits
            .map(|pair| {
                let pair = std::str::from_utf8(pair).expect("ASCII");
                u8::from_str_radix(pair, 16).expect("hex")
            })
            .collect();
        // Of what is packed only the first element.
        let elements = &file[mat::HEADER..];
        let mut unpacked = Vec::new();
        let mut unpack = ZlibDecoder::new(elements.get(8..).unwrap_or_default());
        match unpack.read_to_end(&mut unpacked) {
            Ok(_) => seeds.push((format!("{name}-unpacked"), unpacked)),
            Err(_) => seeds.push((format!("{name}-elements"), elements.to_vec())),
        }
        seeds.push((name.clone(), file));
    }
    seeds
}
