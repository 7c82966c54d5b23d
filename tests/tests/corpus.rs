//! Checkpoints of every format version are read for ever, and by any Burn program.

use std::path::{Path, PathBuf};

use burn::record::{
    FullPrecisionSettings, HalfPrecisionSettings, NamedMpkFileRecorder, PrecisionSettings, Recorder,
};
use burn_flex::{Flex, FlexDevice};
use dacapo::{
    compute::Cpu,
    config::{AdaptMode, Augment, ModelKind, RunConfig},
    digits::{DigitsModel, Session},
    job::Job,
    models::{ConvNet, Vit},
    optim::{AdamWConfig, ParamGroup, ScheduleConfig},
    record::{FsStorage, Tree, commit, open, read_sealed, seal},
    trainer::{Info, ResetOptimizer, TrainerRecord, payload_tree},
};
use dacapo_tests::adamw_config;
use dacapo_tests::sandbox;
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Every file of the corpus with what `expected.json` beside it says about it.
fn files() -> Vec<(PathBuf, Value)> {
    let mut files = Vec::new();
    let versions = std::fs::read_dir(folder()).expect("the corpus exists");
    for version in versions {
        let version = version.expect("an entry").path();
        let text = std::fs::read_to_string(version.join("expected.json")).expect("a file");
        let expected: Value = serde_json::from_str(&text).expect("JSON");
        for (name, expected) in expected.as_object().expect("an object") {
            files.push((version.join(name), expected.clone()));
        }
    }
    assert!(files.len() >= 2, "the corpus is incomplete: {files:?}");
    files
}

fn read(path: &Path) -> (TrainerRecord, Tree) {
    let payload = read_sealed(&FsStorage, path).unwrap_or_else(|error| panic!("{error}"));
    let tree = payload_tree(path, &payload).unwrap_or_else(|error| panic!("{error}"));
    let record = TrainerRecord::from_payload(path, &payload);
    (record.unwrap_or_else(|error| panic!("{error}")), tree)
}

/// What `expected.json` says.
fn description(path: &Path) -> Value {
    let (record, tree) = read(path);
    let bytes = std::fs::read(path).expect("a file");
    json!({
        "blake3": blake3::hash(&bytes).to_hex().to_string(),
        "state_hash": tree.state_hash(TrainerRecord::INFORMATIONAL),
        "leaves": tree.leaves().len(),
        "step": record.run.global_step,
        "dacapo": record.identity.dacapo,
    })
}

#[test]
fn old_checkpoint_is_read_otherwise() {
    for (path, expected) in files() {
        assert_eq!(description(&path), expected, "{}", path.display());
        let (record, tree) = read(&path);
        let hash = record.state_hash::<Flex>().expect("a hash");
        assert_eq!(hash, tree.state_hash(TrainerRecord::INFORMATIONAL));
    }
}

#[test]
fn old_checkpoint_is_not_shown_any_more() {
    let sandbox = sandbox!();
    for (path, expected) in files() {
        let shown = path.to_str().expect("UTF-8");
        let json = sandbox
            .run(["inspect", shown, "--json"])
            .expect_success()
            .json();
        assert_eq!(json["state_hash"], expected["state_hash"], "{shown}");
        assert_eq!(json["step"], expected["step"], "{shown}");
        assert_eq!(json["lineage"].as_array().map(Vec::len), Some(1), "{shown}");
        assert_eq!(json["history"].as_array().map(Vec::len), Some(1), "{shown}");
        let text = sandbox.run(["inspect", shown]).expect_success().out;
        assert!(text.contains("goes on in epoch 2 of 3"), "{text}");
        sandbox.run(["verify", shown, shown]).expect_success();
    }
}

#[test]
fn stock_burn_program_cannot_open_a_checkpoint() {
    fn load<S: PrecisionSettings>(path: &Path) -> TrainerRecord {
        let recorder = NamedMpkFileRecorder::<S>::new();
        let record = Recorder::<Flex>::load(&recorder, path.to_owned(), &FlexDevice);
        record.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
    for (path, _) in files() {
        let (_, tree) = read(&path);
        // Whatever precision that program asks for, dtype and bits are the file's.
        let records = [
            load::<FullPrecisionSettings>(&path),
            load::<HalfPrecisionSettings>(&path),
        ];
        for record in records {
            let payload = record.to_payload::<Flex>().expect("it serialises");
            let stock = payload_tree(&path, &payload).expect("a record");
            let diff = tree.diff(&stock, &[]);
            assert!(diff.is_equal(), "{}: {diff}", path.display());
        }
    }
}

/// Every bit turned over, every length but the whole: none of them is taken for a checkpoint.
#[test]
fn damaged_bit_or_lost_end_is_accepted() {
    let (mut bits, mut lengths) = (0, 0);
    for (path, _) in files() {
        let whole = std::fs::read(&path).expect("a file");
        open(&path, &whole).expect("whole");
        let mut bytes = whole.clone();
        for at in 0..8 * bytes.len() {
            bytes[at / 8] ^= 1 << (at % 8);
            assert!(open(&path, &bytes).is_err(), "{} bit {at}", path.display());
            bytes[at / 8] ^= 1 << (at % 8);
            bits += 1;
        }
        for length in 0..whole.len() {
            let cut = open(&path, &whole[..length]);
            assert!(cut.is_err(), "{} cut to {length}", path.display());
            lengths += 1;
        }
    }
    println!("{bits} bits turned over, {lengths} lengths: all refused");
}

/// Writes the corpus of the current format version; see `corpus/v1/README.md`.
#[test]
#[ignore = "overwrites the corpus"]
fn write_corpus() {
    let folder = folder().join("v1");
    let mut expected = serde_json::Map::new();
    let files = [
        ("vit-dora.mpk", state::<Vit<Cpu>>(transformer())),
        ("conv-net-full.mpk", state::<ConvNet<Cpu>>(conv_net())),
    ];
    for (name, record) in files {
        let payload = record.to_payload::<Flex>().expect("it serialises");
        commit(&FsStorage, &folder.join(name), &seal(payload)).expect("it is written");
        expected.insert(name.to_owned(), description(&folder.join(name)));
    }
    let text = format!("{:#}\n", Value::Object(expected));
    std::fs::write(folder.join("expected.json"), text).expect("it is written");
}

/// What both files share: small, with every part of the state in use.
fn config() -> RunConfig {
    let mut config = RunConfig::default();
    config.model.base = "random".to_owned();
    config.data.limit = 12;
    config.data.valid_fraction = 0.02;
    config.data.test_fraction = 0.02;
    config.data.augment = Augment::Shift;
    config.train.batch_size = 4;
    config.train.epochs = 3;
    config.scheduler = ScheduleConfig::WarmupCosine {
        warmup: 2,
        total: None,
        min_factor: 0.1,
    };
    let adamw = AdamWConfig {
        lr: 1e-2,
        ..AdamWConfig::default()
    };
    config.optimizer = adamw.into();
    config
}

/// DoRA on a transformer, dropout, parameter groups.
fn transformer() -> RunConfig {
    let mut config = config();
    config.model.vit.d_model = 8;
    config.model.vit.blocks = 1;
    config.model.vit.heads = 2;
    config.model.vit.d_mlp = 8;
    config.model.vit.dropout = 0.1;
    config.adapt.rank = 2;
    config.adapt.alpha = 4.0;
    config.adapt.targets = vec!["*.attn.out_proj".to_owned(), "head".to_owned()];
    let adamw = adamw_config(&mut config.optimizer);
    adamw.clip_norm = Some(1.0);
    adamw.groups = vec![ParamGroup {
        pattern: "*.magnitude".to_owned(),
        lr: None,
        beta1: None,
        beta2: None,
        eps: None,
        weight_decay: Some(0.0),
        amsgrad: None,
    }];
    config
}

/// Every parameter of a convolutional net, running statistics, amsgrad, scenario B.
fn conv_net() -> RunConfig {
    let mut config = config();
    config.model.kind = ModelKind::ConvNet;
    config.model.conv_net.channels = [2, 2];
    config.adapt.mode = AdaptMode::Full;
    adamw_config(&mut config.optimizer).amsgrad = true;
    config.train.reset_optimizer = ResetOptimizer::EveryEpoch;
    config
}

/// The state after 5 of 9 steps, with a change of identity accepted after step 4.
fn state<M: DigitsModel<Cpu>>(mut config: RunConfig) -> TrainerRecord {
    let mut session =
        Session::<Cpu, M>::start(&mut config, &Default::default()).expect("the settings are right");
    for _ in 0..4 {
        session.trainer.step().expect("a step");
    }
    let mut record = session.trainer.to_record(Info::default()).expect("a state");
    record.identity.cpu_features = vec!["made-up".to_owned()];
    let mut session =
        Session::<Cpu, M>::resume(&config, &Default::default(), record, true).expect("accepted");
    session.trainer.step().expect("a step");
    let info = Info {
        saved_unix_ms: 1_700_000_000_000,
        wall_seconds: 1.5,
        host: "corpus".to_owned(),
        threads: 1,
        sessions: 2,
    };
    session.trainer.to_record(info).expect("a state")
}
