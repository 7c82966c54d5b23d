//! Small files to begin with: mostly those that the repository's tests have, as they are or
//! cut down.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use burn_flex::Flex;
use dacapo::{
    config::RunConfig,
    record::{open, seal},
    trainer::TrainerRecord,
};
use flate2::{Compression, read::ZlibDecoder, write::GzEncoder};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;

use crate::{mat, pair::join, zip};

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
        "peft" => peft(),
        "tokenizer" => tokenizer(),
        "bert" => bert(),
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

/// Adapters that PEFT wrote, with the keys of their configuration that are not empty, and settings
/// and weights that are much of something.
fn peft() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let golden = repository("crates/peft/tests/golden");
    let folders = std::fs::read_dir(&golden).expect("a folder");
    let folders = folders.map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    for folder in folders {
        let config = std::fs::read(folder.join("adapter_config.json")).expect("a configuration");
        let mut config: Value = serde_json::from_slice(&config).expect("JSON");
        let keys = config.as_object_mut().expect("an object");
        keys.retain(|_, value| !value.is_null() && *value != Value::Bool(false));
        let weights = std::fs::read(folder.join("adapter_model.safetensors"));
        let weights = weights.or_else(|_| std::fs::read(folder.join("adapter_model.bin")));
        let name = folder.file_name().expect("a name").to_string_lossy();
        let file = join(config.to_string().as_bytes(), &weights.expect("weights"));
        seeds.push((name.into_owned(), file));
    }
    let sharing = read("crates/peft/tests/golden/sharing.bin");
    let plain = r#""peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":"#;
    seeds.push((
        "sharing".to_owned(),
        join(format!("{{{plain}[\"q\"]}}").as_bytes(), &sharing),
    ));
    let zeros = vec!["0"; 4000].join(",");
    let table = (0..1000).map(|n| format!(r#""m.{n}":1"#));
    let table = table.collect::<Vec<_>>().join(",");
    let long = |pattern: &str| vec![format!("\"{pattern}\""); 12].join(",");
    let classes = long(r"(\\w{1,9}){1,9}");
    let patterns = (0..12).map(|n| format!(r#""(\\w{{1,9}}){{1,9}}{n}":1"#));
    let patterns = patterns.collect::<Vec<_>>().join(",");
    for (name, rest) in [
        ("remarks", format!(r#"["q"],"eva_config":[{zeros}]"#)),
        (
            "indices",
            format!(r#"["q"],"layers_to_transform":[{zeros}]"#),
        ),
        ("ranks", format!(r#"["q"],"rank_pattern":{{{table}}}"#)),
        ("classes", format!("[{classes}]")),
        (
            "patterns",
            format!(r#"["q"],"alpha_pattern":{{{patterns}}}"#),
        ),
        (
            "letters",
            format!(r#"["q"],"alpha_pattern":{{"({})":1}}"#, "0,".repeat(1500)),
        ),
        ("pattern", r#""(\\w{1,9}){1,99}""#.to_owned()),
    ] {
        seeds.push((name.to_owned(), format!("{{{plain}{rest}}}").into_bytes()));
    }
    seeds
}

/// Vocabularies, merges plain and packed, and texts.
fn tokenizer() -> Vec<(String, Vec<u8>)> {
    let golden = |name: &str| read(&format!("crates/models/tests/golden/{name}"));
    let merges = golden("clip_merges.txt");
    let packed = |text: &[u8]| {
        let mut file = GzEncoder::new(Vec::new(), Compression::best());
        file.write_all(text).expect("in memory");
        file.finish().expect("in memory")
    };
    let mut seeds = vec![
        ("vocabulary".to_owned(), golden("bert_vocab.txt")),
        ("json".to_owned(), golden("bert_tokenizer.json")),
        ("merges-packed".to_owned(), packed(&merges)),
        ("merges".to_owned(), merges),
    ];
    for tokens in ["bert_tokens.json", "clip_tokens.json"] {
        let tokens: Value = serde_json::from_slice(&golden(tokens)).expect("JSON");
        seeds.push((
            format!("texts-{}", seeds.len()),
            strings(&tokens).join("\n").into_bytes(),
        ));
    }
    // As short as merges can be, and as much of one as can be packed.
    let letters = || (33_u8..127).map(char::from);
    let short = letters().flat_map(|a| letters().map(move |b| format!("{a} {b}\n")));
    let short: String = short.take(4000).collect();
    seeds.push((
        "merges-short".to_owned(),
        format!("#version\n{short}").into_bytes(),
    ));
    let same = format!("#version\n{}", "a b\n".repeat(100_000));
    seeds.push(("merges-same".to_owned(), packed(same.as_bytes())));
    let long = format!("#version\na {}", "b".repeat(1 << 22));
    seeds.push(("merges-long".to_owned(), packed(long.as_bytes())));
    seeds.push(("one-word".to_owned(), "an".repeat(4000).into_bytes()));
    seeds.push(("signs".to_owned(), "!?".repeat(4000).into_bytes()));
    seeds.push(("special".to_owned(), "[SEP]".repeat(2000).into_bytes()));
    // Each becomes two characters of three bytes, or one with a mark less.
    seeds.push((
        "composed".to_owned(),
        "\u{1e69}\u{ac01}".repeat(1000).into_bytes(),
    ));
    seeds
}

/// Every string in a value.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(keys) => keys.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// A BERT of the smallest sizes in every type, one that is large in its configuration alone, and keys
/// that are much.
fn bert() -> Vec<(String, Vec<u8>)> {
    let config = text("crates/models/tests/golden/bert_config.json");
    let config: Value = serde_json::from_str(&config).expect("JSON");
    let with = |sizes: [usize; 7]| {
        let mut config = config.clone();
        let keys = [
            "vocab_size",
            "max_position_embeddings",
            "type_vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
        ];
        for (key, size) in keys.iter().zip(sizes) {
            config[key] = size.into();
        }
        config.to_string()
    };
    let golden = read("crates/models/tests/golden/bert.safetensors");
    let (_, header) = safetensors::SafeTensors::read_metadata(&golden).expect("a whole file");
    let names = header.tensors();
    let names = names.iter().filter(|(name, _)| !name.contains("layer.1."));
    let mut seeds = Vec::new();
    for (dtype, size) in [(Dtype::F32, 4), (Dtype::F16, 2), (Dtype::BF16, 2)] {
        let zeros = [0; 8];
        let views = names.clone().map(|(name, info)| {
            let mut shape = vec![1; info.shape.len()];
            if name.contains("token_type") {
                shape[0] = 2;
            }
            let len = size * shape.iter().product::<usize>();
            let view = TensorView::new(dtype, shape, &zeros[..len]);
            (name, view.expect("as many bytes as the shape needs"))
        });
        let file = safetensors::serialize(views, None).expect("a file");
        let config = with([1, 1, 2, 1, 1, 1, 1]);
        seeds.push((format!("{dtype:?}"), join(config.as_bytes(), &file)));
        let deep = with([1, 1, 2, 1, 1024, 1, 1]);
        seeds.push((format!("deep-{dtype:?}"), join(deep.as_bytes(), &file)));
    }
    seeds.push(("config".to_owned(), config.to_string().into_bytes()));
    let objects = vec![r#"{"":0}"#; 2000].join(",");
    let zeros = vec!["0"; 8000].join(",");
    let keys: Vec<String> = (0..2000).map(|n| format!("\"{n}\":0")).collect();
    for (name, keys) in [
        ("objects", format!(r#""hidden_act":[{objects}]"#)),
        ("zeros", format!(r#""hidden_act":[{zeros}]"#)),
        ("keys", keys.join(",")),
    ] {
        let text = format!(r#"{{"model_type":"bert",{keys}}}"#);
        seeds.push((name.to_owned(), text.into_bytes()));
    }
    seeds
}
