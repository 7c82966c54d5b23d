//! A run of CLIP-HBA's in PyTorch (`golden/clip_hba.py`) is imported and goes on where PyTorch
//! would have ended.

use std::{
    fs,
    path::{Path, PathBuf},
};

use dacapo::{
    optim::OptimizerRecord,
    pth::{Dict, Dtype, Key, PthFile, Tensor, Value, to_bytes},
    trainer::{TrainerRecord, history_csv},
};
use dacapo_tests::{Finished, GOLDEN_CLIP_SIZES, Sandbox, sandbox};

/// Largest distance to PyTorch's adapters after four more steps, relative to the largest value
/// of a tensor.
const TOLERANCE: f32 = 2e-5;

const ADAMW: &str = "lr = 0.01";
const SGD: &str = "kind = \"sgd\"\nlr = 0.001\nmomentum = 0.9";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/clip_hba")
}

fn config(optimizer: &str) -> String {
    let golden = golden();
    let golden = golden.display();
    format!(
        r#"
[model]
kind = "clip"
[data]
name = "things"
[clip]
weights = "{golden}/clip.safetensors"
merges = "{golden}/../../../crates/models/tests/golden/clip_merges.txt"
prompts = "{golden}/prompts.txt"
images = "{golden}/images"
targets = "{golden}/targets.csv"
{GOLDEN_CLIP_SIZES}[adapt]
flavour = "clip-hba"
rank = 4
alpha = 16.0
targets = ["visual.blocks.1.attn.out_proj", "text.blocks.1.attn.out_proj"]
[optimizer]
{optimizer}
[scheduler]
kind = "constant"
[train]
epochs = 3
batch_size = 4
shuffle = false
"#
    )
}

/// A folder with a copy of the run `name` of PyTorch's in `theirs` and a configuration.
fn copied(name: &str, optimizer: &str) -> Sandbox {
    let sandbox = sandbox!();
    for below in ["", "dora_params", "random_states"] {
        let (from, to) = (
            golden().join(name).join(below),
            sandbox.path("theirs").join(below),
        );
        fs::create_dir_all(&to).expect("made");
        for entry in fs::read_dir(from).expect("the golden files") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copied");
            }
        }
    }
    fs::write(sandbox.path("run.toml"), config(optimizer)).expect("written");
    sandbox
}

fn import(sandbox: &Sandbox, more: &[&str]) -> Finished {
    let mut args = vec![
        "import", "theirs", "run.toml", "--format", "clip-hba", "--out", "run",
    ];
    args.extend(more);
    sandbox.run(args)
}

/// Values of a tensor in a file of PyTorch's.
fn floats(file: &PthFile, way: &[&str]) -> Vec<f32> {
    let mut node = file.root();
    for key in way {
        node = match key.parse::<i64>() {
            Ok(number) => node.get(number).expect("a number"),
            Err(_) => node.get(*key).expect("a key"),
        };
    }
    let bytes = node
        .tensor()
        .expect("a tensor")
        .bytes()
        .expect("whole")
        .into_owned();
    let floats = bytes.chunks(4).map(|chunk| chunk.try_into().expect("four"));
    floats.map(f32::from_le_bytes).collect()
}

/// What is where: their layer and part, ours, and the shape of theirs where it is turned.
type Place = (String, String, Option<[usize; 2]>);

fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for (theirs, ours) in [
        ("visual.transformer.resblocks.1", "visual.blocks.1"),
        ("transformer.resblocks.1", "text.blocks.1"),
    ] {
        for (part, to, turned) in [
            ("m", "magnitude", None),
            ("delta_D_A", "lora_b", Some([4, 16])),
            ("delta_D_B", "lora_a", Some([16, 4])),
        ] {
            places.push((
                format!("clip_model.{theirs}.attn.out_proj.{part}"),
                format!("{ours}.attn.out_proj.adapter.{to}"),
                turned,
            ));
        }
    }
    places
}

/// Theirs in our order.
fn turned(values: Vec<f32>, shape: Option<[usize; 2]>) -> Vec<f32> {
    match shape {
        None => values,
        Some([rows, columns]) => (0..rows * columns)
            .map(|at| values[at % rows * columns + at / rows])
            .collect(),
    }
}

fn params(name: &str, epoch: u64) -> PthFile {
    let path = format!("{name}/dora_params/epoch{epoch}_dora_params.pth");
    PthFile::open(golden().join(path)).expect("a file of PyTorch's")
}

/// The largest distance of our adapters to PyTorch's, relative to the largest value of a tensor.
fn distance(record: &TrainerRecord, name: &str, epoch: u64) -> f32 {
    let theirs = params(name, epoch);
    let mut worst = 0.0_f32;
    for (key, path, shape) in places() {
        let theirs = turned(floats(&theirs, &[&key]), shape);
        let ours = record.adapters[&path].as_slice::<f32>().expect("f32");
        let largest = theirs
            .iter()
            .fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            worst = worst.max((ours - theirs).abs() / largest);
        }
    }
    worst
}

/// Every column of the history but the last, which PyTorch wrote beside ours.
fn losses(record: &TrainerRecord) -> Vec<[f64; 2]> {
    let rows = record.run.history.iter();
    rows.map(|row| ["train_loss", "valid_loss"].map(|name| row.metrics[name]))
        .collect()
}

fn their_losses(name: &str) -> Vec<[f64; 2]> {
    let text = fs::read_to_string(golden().join(name).join("training_res.csv")).expect("a table");
    let value = |cell: &str| cell.parse().expect("a number");
    text.lines()
        .skip(1)
        .map(|line| line.split(',').map(value).collect::<Vec<f64>>())
        .map(|row| [row[1], row[2]])
        .collect()
}

#[track_caller]
fn assert_goes_on(name: &str, optimizer: &str) {
    let sandbox = copied(name, optimizer);
    let told = import(&sandbox, &["--epoch", "0"]).expect_code(0).out;
    for part in [
        "epoch 0 of clip-hba",
        "8 training, 2 validation",
        "torch_rng_state",
        "resume run",
    ] {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }

    // Bit for bit what the files hold.
    let record = sandbox.latest("run");
    let states = format!("{name}/random_states/epoch0_random_states.pth");
    let states = PthFile::open(golden().join(states)).expect("a file of PyTorch's");
    let state = states.root().get("optimizer_state_dict").expect("there");
    let mut numbers: Vec<i64> = state
        .get("state")
        .expect("there")
        .entries()
        .expect("a dict")
        .iter()
        .map(|(key, _)| key.to_string().parse().expect("a number"))
        .collect();
    numbers.sort_unstable();
    let theirs = params(name, 0);
    for ((key, path, shape), number) in places().into_iter().zip(numbers) {
        let number = number.to_string();
        let moment = |moment: &str| {
            turned(
                floats(&states, &["optimizer_state_dict", "state", &number, moment]),
                shape,
            )
        };
        let adapter = turned(floats(&theirs, &[&key]), shape);
        assert_eq!(
            record.adapters[&path].as_slice::<f32>().expect("f32"),
            adapter,
            "{path}"
        );
        match &record.optimizer {
            OptimizerRecord::AdamW(optimizer) => {
                let ours = &optimizer.params[&path];
                assert_eq!(ours.step, 2);
                assert_eq!(
                    ours.exp_avg.as_slice::<f32>().expect("f32"),
                    moment("exp_avg"),
                    "{path}"
                );
                let squares = ours.exp_avg_sq.as_slice::<f32>().expect("f32");
                assert_eq!(squares, moment("exp_avg_sq"), "{path}");
            }
            OptimizerRecord::Sgd(optimizer) => {
                let ours = optimizer.params[&path]
                    .momentum_buffer
                    .as_ref()
                    .expect("momentum");
                assert_eq!(
                    ours.as_slice::<f32>().expect("f32"),
                    moment("momentum_buffer"),
                    "{path}"
                );
            }
        }
    }
    assert_eq!(
        (
            record.run.global_step,
            record.data.epoch,
            record.data.position
        ),
        (2, 1, 0)
    );
    assert_eq!(losses(&record), their_losses(name)[..1]);
    assert_eq!(record.early_stopping.best_epoch, Some(1));
    let inspected = sandbox.run(["inspect", "run"]).expect_code(0).out;
    assert!(
        inspected.contains("imported from epoch 0 of clip-hba"),
        "{inspected}"
    );

    sandbox.run(["resume", "run"]).expect_code(0);
    let end = sandbox.latest("run");
    assert_eq!(end.run.global_step, 6);
    let found = distance(&end, name, 2);
    println!("{name}: {found:e} from PyTorch's adapters");
    assert!(found <= TOLERANCE, "{found:e}");
    for (ours, theirs) in losses(&end).iter().zip(their_losses(name)) {
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!((ours - theirs).abs() <= 1e-5 * theirs, "{ours} {theirs}");
        }
    }
    assert!(!history_csv(&end.run.history, 1.0).contains("NaN"));

    // Whatever else is new, stops stay harmless.
    let again = [
        "import", "theirs", "run.toml", "--format", "clip-hba", "--out", "again",
    ];
    sandbox
        .run([&again[..], &["--epoch", "0"]].concat())
        .expect_code(0);
    sandbox
        .run(["resume", "again", "--stop-after-step", "3"])
        .expect_code(0);
    sandbox.run(["resume", "again"]).expect_code(0);
    sandbox.run(["verify", "run", "again"]).expect_code(0);
}

#[test]
fn imported_adamw_run_leaves_pytorchs() {
    assert_goes_on("adamw", ADAMW);
}

#[test]
fn imported_sgd_run_leaves_pytorchs() {
    assert_goes_on("sgd", SGD);
}

/// Without the moments the run ends elsewhere: the tests above can fail.
#[test]
fn fresh_moments_go_unnoticed() {
    let sandbox = copied("adamw", ADAMW);
    let fresh = ["--epoch", "0", "--fresh-optimizer"];
    let told = import(&sandbox, &fresh).expect_code(0).out;
    assert!(told.contains("begins anew"), "{told}");
    sandbox.run(["resume", "run"]).expect_code(0);
    let found = distance(&sandbox.latest("run"), "adamw", 2);
    assert!(found > 100.0 * TOLERANCE, "{found:e}");
}

/// An imported run is another than one that began here, and its end is the last epoch's.
#[test]
fn imported_run_passes_for_one_that_began_here() {
    let sandbox = copied("adamw", ADAMW);
    let ended = import(&sandbox, &[]).expect_code(0).out;
    assert!(
        ended.contains("epoch 2 of clip-hba") && ended.contains("has ended"),
        "{ended}"
    );
    let split = "clip.split=theirs/random_states/dataset_split_indices.pth";
    let train = [
        "train",
        "run.toml",
        "--out",
        "begun",
        "--stop-after-step",
        "2",
        "--set",
        split,
    ];
    sandbox.run(train).expect_code(0);
    let ids = ["run", "begun"].map(|run| sandbox.latest(run).run.run_id);
    assert_ne!(ids[0], ids[1]);

    // The parent is no setting; the id vouches for it.
    let mut record = sandbox.latest("run");
    record.run.parent.as_mut().expect("imported").step += 1;
    let payload = record
        .to_payload::<burn_flex::Flex>()
        .expect("it serialises");
    let store =
        dacapo::record::CheckpointStore::new(sandbox.path("run"), dacapo::record::FsStorage);
    store
        .save("epoch-0003-step-00000006", payload)
        .expect("written");
    let refused = sandbox
        .run(["resume", "run", "--epochs", "4"])
        .expect_code(2)
        .err;
    assert!(refused.contains("run.run_id"), "{refused}");
}

/// The file with its dict changed.
fn rewrite(path: &Path, change: impl Fn(&mut Vec<(String, Value)>)) {
    let file = PthFile::open(path).expect("a file of PyTorch's");
    let mut entries: Vec<(String, Value)> = file
        .root()
        .entries()
        .expect("a dict")
        .into_iter()
        .map(|(key, node)| {
            (
                key.to_string().trim_matches('"').to_owned(),
                node.value().clone(),
            )
        })
        .collect();
    // Arrays of numpy are read only.
    entries.retain(|(key, _)| key != "numpy_rng_state");
    change(&mut entries);
    let dict: Dict = entries
        .iter()
        .map(|(key, value)| (key.as_str(), value.clone()))
        .collect();
    fs::write(path, to_bytes(&dict.into()).expect("it can be written")).expect("written");
}

#[track_caller]
fn assert_refused(sandbox: &Sandbox, more: &[&str], parts: &[&str]) {
    let refused = import(sandbox, more).expect_code(2).err;
    for part in parts {
        assert!(refused.contains(part), "`{part}` is not in: {refused}");
    }
    assert!(!sandbox.path("run").exists(), "a run folder was made");
}

#[test]
fn what_does_not_fit_is_imported() {
    let sandbox = copied("adamw", ADAMW);
    let set = |setting| ["--set", setting];
    assert_refused(
        &sandbox,
        &set("optimizer.lr=0.02"),
        &["`lr`", "0.01", "0.02"],
    );
    assert_refused(&sandbox, &set("optimizer.clip_norm=1.0"), &["`clip_norm`"]);
    assert_refused(&sandbox, &set("optimizer.kind=sgd"), &["`kind`", "adamw"]);
    assert_refused(
        &sandbox,
        &set("train.batch_size=8"),
        &["step", "train.batch_size", "6"],
    );
    let targets = r#"adapt.targets=["visual.blocks.1.attn.out_proj"]"#;
    assert_refused(
        &sandbox,
        &set(targets),
        &["dora_params.pth", "transformer.resblocks.1"],
    );
    let targets = r#"adapt.targets=["visual.blocks.*.attn.out_proj"]"#;
    assert_refused(&sandbox, &set(targets), &["dora_params.pth", "resblocks.0"]);
    let targets = r#"adapt.targets=["visual.blocks.1.mlp.fc1"]"#;
    assert_refused(&sandbox, &set(targets), &["visual.blocks.1.mlp.fc1"]);
    assert_refused(
        &sandbox,
        &set("adapt.rank=2"),
        &["adapters.", "[2, 16]", "[4, 16]"],
    );
    assert_refused(
        &sandbox,
        &["--epoch", "7"],
        &["epoch7_dora_params.pth", "--epoch"],
    );

    let states = sandbox.path("theirs/random_states/epoch2_random_states.pth");
    let whole = fs::read(&states).expect("copied");
    let split = sandbox.path("theirs/random_states/dataset_split_indices.pth");
    let table = sandbox.path("theirs/training_res.csv");
    let history = fs::read_to_string(&table).expect("copied");

    rewrite(&states, |entries| {
        entries.retain(|(key, _)| key != "optimizer_state_dict")
    });
    assert_refused(
        &sandbox,
        &[],
        &["no optimizer_state_dict", "--fresh-optimizer"],
    );
    rewrite(&states, |entries| {
        entries.push(("scaler".to_owned(), 1.into()))
    });
    assert_refused(&sandbox, &[], &["random_states.pth", "scaler"]);
    fs::write(&states, &whole[..whole.len() / 2]).expect("written");
    assert_refused(&sandbox, &[], &["epoch2_random_states.pth"]);
    fs::copy(states.with_file_name("epoch1_random_states.pth"), &states).expect("copied");
    assert_refused(&sandbox, &[], &["expected epoch 2, found 1"]);
    fs::write(&states, &whole).expect("written");

    for (change, parts) in [
        (
            history.replace("\n1,", "\n3,"),
            ["line 3", "epoch 3", "1 should follow"],
        ),
        (
            history.replace("test_loss", "test_error"),
            ["column", "test_error", ""],
        ),
        (
            history.replace("\n2,", "\n2,nan"),
            ["line 4", "nan", "no number"],
        ),
        (
            history.lines().take(3).collect::<Vec<_>>().join("\n"),
            ["no row", "epoch 2", ""],
        ),
    ] {
        fs::write(&table, change).expect("written");
        assert_refused(&sandbox, &[], &parts);
    }
    // Counted from 1, as the published ones are, epoch 2 is the second: the steps tell.
    let from_one = history.replace("\n2,", "\n3,").replace("\n1,", "\n2,");
    fs::write(&table, from_one.replace("\n0,", "\n1,")).expect("written");
    assert_refused(
        &sandbox,
        &[],
        &["step", "4: 2 epochs of 2 steps", "found 6"],
    );
    fs::write(&table, &history).expect("written");

    rewrite(&split, |entries| {
        for (key, value) in entries {
            if key == "test_indices" {
                *value = Value::List(vec![5.into(), 7.into()]);
            }
        }
    });
    assert_refused(&sandbox, &[], &["split", "image 7 twice"]);
    fs::remove_file(&split).expect("removed");
    assert_refused(&sandbox, &[], &["dataset_split_indices.pth", "clip.split"]);
    let named = golden().join("adamw/random_states/dataset_split_indices.pth");
    let named = format!("clip.split={}", named.display());
    import(&sandbox, &set(&named)).expect_code(0);
    import(&sandbox, &set(&named)).expect_code(2);
}

/// The value at the end of the way, where a key that is a number is one; a copy of the rest.
fn changed(value: &Value, way: &[&str], change: &dyn Fn(&Value) -> Value) -> Value {
    let [key, rest @ ..] = way else {
        return change(value);
    };
    match value {
        Value::Dict(dict) => {
            let wanted = match key.parse::<i64>() {
                Ok(number) => Key::from(number),
                Err(_) => Key::from(*key),
            };
            assert!(dict.get(wanted.clone()).is_some(), "no {key}");
            let entries = dict.iter().map(|(key, value)| match *key == wanted {
                true => (key.clone(), changed(value, rest, change)),
                false => (key.clone(), value.clone()),
            });
            Value::Dict(entries.collect())
        }
        Value::List(items) => {
            let wanted: usize = key.parse().expect("a number");
            let mut items = items.clone();
            items[wanted] = changed(&items[wanted], rest, change);
            Value::List(items)
        }
        other => panic!("{key} of {other:?}"),
    }
}

/// A tensor with its value at a place exchanged.
fn with_value(value: &Value, at: usize, number: f32) -> Value {
    let Value::Tensor(tensor) = value else {
        panic!("no tensor: {value:?}");
    };
    let mut bytes = tensor.bytes().expect("whole").into_owned();
    bytes[4 * at..][..4].copy_from_slice(&number.to_le_bytes());
    let tensor = Tensor::new(tensor.dtype(), tensor.shape().to_vec(), bytes);
    tensor.expect("the same size").into()
}

/// Whole files that no training of the original's writes.
#[test]
fn damage_that_has_a_right_checksum_is_imported() {
    let sandbox = copied("adamw", ADAMW);
    let params = sandbox.path("theirs/dora_params/epoch2_dora_params.pth");
    let states = sandbox.path("theirs/random_states/epoch2_random_states.pth");
    let table = sandbox.path("theirs/training_res.csv");
    let originals = [&params, &states, &table].map(|path| fs::read(path).expect("copied"));
    let restore = || {
        for (path, bytes) in [&params, &states, &table].into_iter().zip(&originals) {
            fs::write(path, bytes).expect("written");
        }
    };
    let file = PthFile::open(&states).expect("a file of PyTorch's");
    let state = file.root().get("optimizer_state_dict").expect("there");
    let state = state.get("state").expect("there");
    let (number, _) = state.entries().expect("a dict")[0].clone();
    let number = number.to_string();

    // Values that are none.
    for value in [f32::NAN, f32::INFINITY] {
        rewrite(&params, |entries| {
            entries[0].1 = with_value(&entries[0].1, 1, value)
        });
        let found = format!("{value} at position 1");
        let parts = ["epoch2_dora_params.pth", "finite numbers", &found];
        assert_refused(&sandbox, &[], &parts);
        restore();
    }
    type Change<'a> = (&'a [&'a str], &'a dyn Fn(&Value) -> Value, &'a [&'a str]);
    let two = || {
        let steps = [4.0_f32, 9.0].map(f32::to_le_bytes).concat();
        Value::from(Tensor::new(Dtype::F32, vec![2], steps).expect("two values"))
    };
    let cases: &[Change] = &[
        (
            &["state", &number, "exp_avg"],
            &|value| with_value(value, 0, f32::NAN),
            &["exp_avg", "finite numbers", "NaN at position 0"],
        ),
        (
            &["state", &number, "step"],
            &|_| two(),
            &["step", "one number of steps", "[2]"],
        ),
        (
            &["state", &number, "step"],
            &|_| Value::Float(f64::NAN),
            &["step", "a tensor", "a float"],
        ),
        (
            &["param_groups", "0", "params"],
            &|_| Value::List(vec![1.into(), 1.into()]),
            &["params[1]", "every parameter once", "found 1"],
        ),
        (
            &["param_groups", "0", "params"],
            &|_| Value::List(Vec::new()),
            &["a parameter of the optimizer's group", &number],
        ),
        (
            &["param_groups", "0", "lr"],
            &|_| Value::Float(f64::NAN),
            &["`lr`"],
        ),
        (
            &["param_groups", "0", "betas"],
            &|_| Value::List(vec![Value::Float(f64::INFINITY), Value::Float(0.9)]),
            &["beta"],
        ),
    ];
    for (way, change, parts) in cases {
        rewrite(&states, |entries| {
            for (key, value) in entries {
                if key == "optimizer_state_dict" {
                    *value = changed(value, way, change);
                }
            }
        });
        assert_refused(&sandbox, &[], parts);
        restore();
    }
    let escape = "\u{1b}[2J";
    rewrite(&states, |entries| {
        entries.push((escape.to_owned(), 1.into()))
    });
    assert_refused(
        &sandbox,
        &[],
        &["random_states.pth", "the key \"\\u{1b}[2J\""],
    );
    restore();

    let history = String::from_utf8(originals[2].clone()).expect("text");
    for (text, parts) in [
        (
            history.replace("test_loss", "train_loss"),
            &["`train_loss` is there twice", "Remove one"][..],
        ),
        (
            format!("\u{feff}{history}"),
            &["does not begin with `epoch` but with \"\\u{feff}epoch\""],
        ),
        (
            String::new(),
            &["does not begin with `epoch` but with \"\""],
        ),
        (
            history.replace("test_loss", escape),
            &["the column \"\\u{1b}[2J\" is not known"],
        ),
        (
            history.replace("\n1,", &format!("\n{escape},")),
            &["line 3", "\"\\u{1b}[2J\" is no epoch"],
        ),
        (
            history.replace("\n1,", "\n18446744073709551615,"),
            &["line 3 is epoch 18446744073709551615, where 1 should follow"],
        ),
        (
            history.replace("\n0,", "\n18446744073709551615,"),
            &["line 2", "where 0 or 1 should follow"],
        ),
        (history.replace("\n1,", "\n1,inf"), &["line 3", "no number"]),
        (
            history.replace("\n1,", "\n1,0.5,"),
            &["line 3 has 4 values, not 3"],
        ),
    ] {
        fs::write(&table, text).expect("written");
        assert_refused(&sandbox, &[], parts);
    }
    restore();
    import(&sandbox, &[]).expect_code(0);
}
