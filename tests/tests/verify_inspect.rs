//! What `verify` and `inspect` say, to people and to scripts.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
    process::Stdio,
};

use burn::tensor::TensorData;
use burn_flex::Flex;
use dacapo::{
    record::{FsStorage, Leaf, Tree, commit, read_sealed, seal},
    trainer::{TrainerRecord, payload_tree},
};
use dacapo_tests::{Finished, Sandbox, Settings, sandbox};
use serde_json::{Value, json};

/// The ten parts of the state.
const PARTS: [&str; 10] = [
    "adapters",
    "buffers",
    "optimizer",
    "scheduler",
    "rng",
    "data",
    "early_stopping",
    "run",
    "identity",
    "info",
];

/// Runs `a` and `b` with equal settings, in one sandbox.
fn two_equal_runs() -> Sandbox {
    let sandbox = sandbox!();
    for name in ["a", "b"] {
        sandbox.run(Settings::small().train(name)).expect_success();
    }
    sandbox
}

fn write(path: &Path, record: TrainerRecord) {
    let payload = record
        .to_payload::<Flex>()
        .expect("a record can be written");
    commit(&FsStorage, path, &seal(payload)).expect("a file can be written");
}

fn tree(path: &Path) -> Tree {
    let payload = read_sealed(&FsStorage, path).expect("the file is whole");
    payload_tree(path, &payload).expect("the file is a record")
}

/// Run `a`'s latest record and, in the file `edited.mpk`, one with `edit` applied.
fn edited(sandbox: &Sandbox, edit: impl FnOnce(&mut TrainerRecord)) -> TrainerRecord {
    let original = sandbox.latest("a");
    let mut record = original.clone();
    edit(&mut record);
    write(&sandbox.path("edited.mpk"), record);
    write(&sandbox.path("original.mpk"), original.clone());
    original
}

fn verify(sandbox: &Sandbox, a: &str, b: &str, code: i32) -> (String, Value) {
    let text = sandbox.run(["verify", a, b]).expect_code(code);
    assert_eq!(text.err, "");
    let json = sandbox.run(["verify", "--json", a, b]).expect_code(code);
    assert_eq!(json.json()["equal"], code == 0);
    (text.out, json.json())
}

/// The only differing leaf of the pair `state`.
#[track_caller]
fn only_leaf(json: &Value) -> &Value {
    let differing = &json["compared"]["state"]["diff"]["differing"];
    assert_eq!(differing.as_array().map(Vec::len), Some(1), "{json:#}");
    &differing[0]
}

fn ulps_up(value: f32, ulps: u32) -> f32 {
    f32::from_bits(value.to_bits() + ulps)
}

#[test]
fn equal_runs_are_told_different() {
    let sandbox = two_equal_runs();
    let (text, json) = verify(&sandbox, "a", "b", 0);
    let compared = json["compared"].as_object().expect("pairs by name");
    let names: Vec<&String> = compared.keys().collect();
    assert_eq!(names, ["best", "history.csv", "state"]);
    let state = &json["compared"]["state"];
    assert_eq!(state["a"]["state_hash"], state["b"]["state_hash"]);
    assert_eq!(state["diff"]["differing"], json!([]));
    assert_eq!(state["diff"]["only_left"], json!([]));
    assert_eq!(state["diff"]["only_right"], json!([]));

    let hash = sandbox.latest("a").state_hash::<Flex>();
    let hash = hash.expect("a record can be written");
    assert_eq!(state["a"]["state_hash"], hash);
    assert!(text.contains(&hash), "{text}");
}

#[test]
fn informational_leaf_is_compared_or_concealed() {
    let sandbox = two_equal_runs();
    edited(&sandbox, |record| {
        record.info.host = "elsewhere".to_owned();
        record.info.sessions = 77;
    });
    let (text, json) = verify(&sandbox, "original.mpk", "edited.mpk", 0);
    let notes = json["not_compared"].as_object().expect("leaves by path");
    let paths: Vec<&String> = notes.keys().collect();
    assert_eq!(paths, ["info.host", "info.sessions"]);
    assert_eq!(notes["info.host"]["b"], "\"elsewhere\"");
    assert_eq!(notes["info.sessions"], json!({ "a": "1", "b": "77" }));
    let line = text.lines().find(|line| line.starts_with("not compared"));
    let line = line.expect("a line tells what was not compared");
    assert!(line.contains("info.sessions 1 | 77"), "{line}");

    let tree = tree(&sandbox.path("original.mpk"));
    let below = |part: &&str| tree.below(part).count();
    let leaves: usize = TrainerRecord::INFORMATIONAL.iter().map(below).sum();
    let ignored = &json["compared"]["state"]["diff"]["ignored"];
    assert_eq!(ignored.as_u64(), Some(leaves as u64));
}

#[test]
fn informational_leaf_is_concealed_beside_a_difference() {
    let sandbox = two_equal_runs();
    edited(&sandbox, |record| {
        record.info.sessions = 77;
        record.run.global_step += 1;
    });
    let (text, json) = verify(&sandbox, "original.mpk", "edited.mpk", 1);
    assert_eq!(json["not_compared"]["info.sessions"]["b"], "77");
    assert!(text.contains("info.sessions 1 | 77"), "{text}");
}

#[test]
fn difference_in_a_tensor_is_told_wrongly() {
    let sandbox = two_equal_runs();
    let path = "head.adapter.magnitude";
    let original = edited(&sandbox, |record| {
        let data = record.adapters.get_mut(path).expect("the head is adapted");
        let mut values: Vec<f32> = data.to_vec().expect("magnitudes are f32");
        values[3] = ulps_up(values[3], 1);
        values[8] = ulps_up(values[8], 7);
        *data = TensorData::new(values, data.shape.clone());
    });
    let (text, json) = verify(&sandbox, "original.mpk", "edited.mpk", 1);
    let values: Vec<f32> = original.adapters[path].to_vec().expect("they are f32");
    let show = |value: f32| format!("{value:?} (0x{:08x})", value.to_bits());
    let (left, right) = (show(values[3]), show(ulps_up(values[3], 1)));
    assert_eq!(
        only_leaf(&json),
        &json!({
            "path": "adapters.head.adapter.magnitude",
            "kind": "value",
            "left": left,
            "right": right,
            "elements": 10,
            "differing": 2,
            "first_index": 3,
            "max_ulp": 7,
        })
    );
    let state = &json["compared"]["state"];
    assert_ne!(state["a"]["state_hash"], state["b"]["state_hash"]);
    let line = text.lines().find(|line| line.contains(path));
    let line = line.expect("the leaf is named");
    for part in ["2 of 10", "first at 3", &left, &right, "7 ULP"] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    assert!(text.contains("state: DIFFERENT"), "{text}");
}

#[test]
fn difference_in_a_number_is_told_wrongly() {
    let sandbox = two_equal_runs();
    let original = edited(&sandbox, |record| record.run.global_step += 2);
    let (text, json) = verify(&sandbox, "original.mpk", "edited.mpk", 1);
    let leaf = only_leaf(&json);
    assert_eq!(leaf["path"], "run.global_step");
    assert_eq!(leaf["left"], original.run.global_step.to_string());
    assert_eq!(leaf["right"], (original.run.global_step + 2).to_string());
    assert_eq!(leaf["max_ulp"], 2);
    assert!(text.contains("run.global_step: 9 | 11"), "{text}");

    let original = edited(&sandbox, |record| {
        let best = record.early_stopping.best.as_mut().expect("a best value");
        *best = f64::from_bits(best.to_bits() + 3);
    });
    let (_, json) = verify(&sandbox, "original.mpk", "edited.mpk", 1);
    let leaf = only_leaf(&json);
    let best = original.early_stopping.best.expect("a best value");
    assert_eq!(leaf["path"], "early_stopping.best");
    assert_eq!(
        leaf["left"],
        format!("{best:?} (0x{:016x})", best.to_bits())
    );
    assert_eq!(leaf["max_ulp"], 3);
}

#[test]
fn sign_of_zero_or_nan_escapes() {
    let sandbox = two_equal_runs();
    let with_first = |value: f32| {
        move |record: &mut TrainerRecord| {
            let data = record.adapters.get_mut("head.adapter.magnitude");
            let data = data.expect("the head is adapted");
            let mut values: Vec<f32> = data.to_vec().expect("magnitudes are f32");
            values[0] = value;
            *data = TensorData::new(values, data.shape.clone());
        }
    };
    edited(&sandbox, with_first(0.0));
    fs::rename(sandbox.path("edited.mpk"), sandbox.path("zero.mpk")).expect("it can be moved");
    edited(&sandbox, with_first(-0.0));
    let (_, json) = verify(&sandbox, "zero.mpk", "edited.mpk", 1);
    let leaf = only_leaf(&json);
    assert_eq!(
        (&leaf["differing"], &leaf["max_ulp"]),
        (&json!(1), &json!(0))
    );

    edited(&sandbox, with_first(f32::NAN));
    verify(&sandbox, "edited.mpk", "edited.mpk", 0);
    let (_, json) = verify(&sandbox, "zero.mpk", "edited.mpk", 1);
    assert_eq!(only_leaf(&json)["max_ulp"], Value::Null);
}

#[test]
fn leaf_of_one_side_escapes() {
    let sandbox = two_equal_runs();
    edited(&sandbox, |record| {
        record.adapters.remove("head.adapter.lora_a");
        let data = record.adapters["head.adapter.lora_b"].clone();
        record
            .adapters
            .insert("head.adapter.lora_c".to_owned(), data);
    });
    let (text, json) = verify(&sandbox, "original.mpk", "edited.mpk", 1);
    let diff = &json["compared"]["state"]["diff"];
    assert_eq!(diff["only_left"], json!(["adapters.head.adapter.lora_a"]));
    assert_eq!(diff["only_right"], json!(["adapters.head.adapter.lora_c"]));
    assert!(text.contains("adapters.head.adapter.lora_a: only in the left"));
    assert!(text.contains("adapters.head.adapter.lora_c: only in the right"));
}

#[test]
fn shape_or_dtype_escapes() {
    let sandbox = two_equal_runs();
    let path = "head.adapter.magnitude";
    edited(&sandbox, |record| {
        let data = record.adapters.get_mut(path).expect("the head is adapted");
        *data = TensorData::new(data.to_vec::<f32>().expect("they are f32"), [2, 5]);
    });
    let (_, json) = verify(&sandbox, "original.mpk", "edited.mpk", 1);
    assert_eq!(only_leaf(&json)["kind"], "shape");

    edited(&sandbox, |record| {
        let data = record.adapters.get_mut(path).expect("the head is adapted");
        *data = data.clone().convert::<f64>();
    });
    let (_, json) = verify(&sandbox, "original.mpk", "edited.mpk", 1);
    assert_eq!(only_leaf(&json)["kind"], "dtype");
}

#[test]
fn long_list_of_differences_floods_the_terminal() {
    let sandbox = sandbox!();
    for seed in ["1", "2"] {
        let mut args = Settings::small().train(seed);
        args.extend(["--seed", seed].map(str::to_owned));
        sandbox.run(args).expect_success();
    }
    let (_, json) = verify(&sandbox, "1", "2", 1);
    let differing = &json["compared"]["state"]["diff"]["differing"];
    let count = differing.as_array().expect("a list").len();
    assert!(count > 20);
    assert_eq!(json["compared"]["history.csv"]["first_differing_line"], 2);

    let said = sandbox.run(["verify", "1/latest-is-no-file", "2"]);
    said.expect_code(2);
    let said = sandbox
        .run(["verify", "1", "2", "--max", "3"])
        .expect_code(1);
    let state = said.out.split("\nbest:").next().expect("it comes first");
    let shown = state.lines().filter(|line| line.contains(" | ")).count();
    assert_eq!(shown, 3, "{state}");
    assert!(
        state.contains(&format!("and {} more", count - 3)),
        "{state}"
    );
}

#[test]
fn folder_is_judged_by_its_latest_state_alone() {
    let sandbox = two_equal_runs();
    // Another history with the same last state cannot come from a run, but from a hand.
    let history = sandbox.history("b").replace("\n2,", "\n7,");
    fs::write(sandbox.path("b/history.csv"), history).expect("it can be written");
    let (text, json) = verify(&sandbox, "a", "b", 1);
    assert_eq!(json["compared"]["state"]["equal"], true);
    assert_eq!(json["compared"]["history.csv"]["equal"], false);
    assert_eq!(json["compared"]["history.csv"]["first_differing_line"], 3);
    assert!(text.contains("line 3"), "{text}");

    let sandbox = two_equal_runs();
    fs::write(sandbox.path("b/best"), "step-00000000.mpk\n").expect("it can be written");
    let (_, json) = verify(&sandbox, "a", "b", 1);
    assert_eq!(json["compared"]["state"]["equal"], true);
    assert_eq!(json["compared"]["best"]["equal"], false);

    fs::remove_file(sandbox.path("b/best")).expect("it is there");
    let (text, json) = verify(&sandbox, "a", "b", 1);
    assert_eq!(json["compared"]["best"]["equal"], false);
    assert!(text.contains("(nothing)"), "{text}");
}

#[test]
fn file_and_folder_cannot_be_compared() {
    let sandbox = two_equal_runs();
    let latest = fs::read_to_string(sandbox.path("b/latest")).expect("it is text");
    let file = format!("b/checkpoints/{}", latest.trim());
    for (a, b) in [("a", file.as_str()), (&file, "a"), (&file, &file)] {
        let (_, json) = verify(&sandbox, a, b, 0);
        assert_eq!(
            json["compared"].as_object().map(|pairs| pairs.len()),
            Some(1)
        );
    }
    let (_, json) = verify(&sandbox, "a", "b/checkpoints/step-00000000.mpk", 1);
    assert_eq!(json["compared"]["state"]["equal"], false);
}

#[test]
fn unreadable_side_counts_as_a_difference() {
    // 1 says "different"; whoever scripts this must be able to tell it from "no idea".
    let sandbox = two_equal_runs();
    fs::create_dir(sandbox.path("empty")).expect("it can be made");
    fs::write(sandbox.path("text"), "not a checkpoint").expect("it can be written");
    let mut damaged = fs::read(sandbox.path("a/checkpoints/step-00000000.mpk")).expect("read");
    damaged[100] ^= 1;
    fs::write(sandbox.path("damaged"), damaged).expect("it can be written");
    for other in ["nowhere", "empty", "text", "damaged"] {
        for args in [["verify", "a", other], ["verify", other, "a"]] {
            let said = sandbox.run(args).expect_code(2);
            assert_eq!(said.out, "");
            assert!(said.err.contains(other), "{}", said.err);
        }
        let said = sandbox.run(["inspect", other]).expect_code(2);
        assert!(said.err.contains(other), "{}", said.err);
    }
}

#[test]
fn part_of_the_state_is_missing_from_inspect() {
    let sandbox = sandbox!();
    let settings = Settings::small_conv_net()
        .set("data.augment", "shift")
        .set("train.reset_optimizer", "every-epoch")
        .set("run.training_run", 17);
    sandbox.run(settings.train_until("run", 4)).expect_success();
    let file = "run/checkpoints/step-00000004.mpk";
    let record = sandbox.latest("run");
    let leaves = tree(&sandbox.path(file));

    let of_file = sandbox
        .run(["inspect", file, "--json"])
        .expect_success()
        .json();
    let mut of_folder = sandbox
        .run(["inspect", "run", "--json"])
        .expect_success()
        .json();
    of_folder["file"] = of_file["file"].clone();
    assert_eq!(of_file, of_folder);

    let parts = of_file["parts"].as_object().expect("parts by name");
    let names: BTreeSet<&str> = parts.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(PARTS));
    for (name, part) in parts {
        let below: Vec<&Leaf> = leaves.below(name).map(|(_, leaf)| leaf).collect();
        let tensors = below
            .iter()
            .filter(|leaf| matches!(leaf, Leaf::Tensor { .. }));
        let bytes: usize = tensors.clone().map(|leaf| leaf.size()).sum();
        assert_eq!(part["present"], true);
        assert_eq!(part["leaves"], below.len(), "{name}");
        assert_eq!(part["tensors"], tensors.count(), "{name}");
        assert_eq!(part["tensor_bytes"], bytes, "{name}");
        assert!(!below.is_empty(), "{name}");
    }
    let said = [
        (
            "state_hash",
            json!(leaves.state_hash(TrainerRecord::INFORMATIONAL)),
        ),
        ("run_id", json!(record.run.run_id)),
        ("training_run", json!(17)),
        ("step", json!(4)),
        ("epochs_completed", json!(1)),
        ("epochs", json!(3)),
        ("position", json!(16)),
        ("train_examples", json!(40)),
        ("scenario", json!("B")),
        ("parent", Value::Null),
        ("perturbation", Value::Null),
        ("lineage", json!([])),
    ];
    for (key, value) in said {
        assert_eq!(of_file[key], value, "{key}");
    }
    assert_eq!(of_file["early_stopping"]["best_epoch"], 1);
    assert_eq!(of_file["scheduler"]["position"], 4);
    let streams = of_file["rng"]["streams"].as_object().expect("by name");
    for name in ["init", "shuffle", "dropout", "perturbation", "augment"] {
        assert_eq!(
            streams[name]["position"], record.rng.streams[name].position,
            "{name}"
        );
    }
    assert_eq!(of_file["history"].as_array().map(Vec::len), Some(1));
    let identity = of_file["identity"].as_object().expect("by name");
    for (key, _) in record.identity.parts() {
        assert!(identity.contains_key(key), "{key}");
    }
}

#[test]
fn text_of_inspect_lacks_a_part() {
    let sandbox = sandbox!();
    sandbox
        .run(Settings::small().train_until("run", 4))
        .expect_success();
    let record = sandbox.latest("run");
    let text = sandbox.run(["inspect", "run"]).expect_success().out;
    for part in PARTS {
        assert!(text.contains(&format!("[x] {part}")), "{part}:\n{text}");
    }
    for (key, value) in record.identity.parts() {
        assert!(
            text.contains(key) && text.contains(&value),
            "{key}:\n{text}"
        );
    }
    for name in record.rng.streams.keys() {
        assert!(text.contains(name), "{name}:\n{text}");
    }
    let said = [
        "A: one continuous run",
        "started on its own",
        "after step 4: goes on in epoch 2 of 3 after 16 of 40 examples",
        "valid_loss",
        record.run.run_id.as_str(),
    ];
    for part in said {
        assert!(text.contains(part), "{part}:\n{text}");
    }

    sandbox.run(["resume", "run"]).expect_success();
    let text = sandbox.run(["inspect", "run"]).expect_success().out;
    assert!(text.contains("all epochs done"), "{text}");
}

#[test]
fn ending_of_a_run_is_told_wrongly() {
    let sandbox = sandbox!();
    let settings = Settings::small()
        .set("train.epochs", 9)
        .set("train.reset_optimizer", "every-epoch")
        .set("early_stopping.patience", 1)
        .set("early_stopping.min_delta", 10.0);
    sandbox.run(settings.train("run")).expect_success();
    let text = sandbox.run(["inspect", "run"]).expect_success().out;
    for part in [
        "ended by early stopping",
        "B: a fresh optimizer every epoch",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

/// Runs `args` with a standard output, or error, that nobody reads.
fn into_closed_pipe(sandbox: &Sandbox, args: &[String], out: bool) -> Finished {
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    let mut command = sandbox.command(args);
    // The other one goes to a file, since only one of them is of interest.
    let other = sandbox.path("other");
    let file = File::create(&other).expect("it can be written");
    match out {
        true => command.stdout(writer).stderr(file),
        false => command.stderr(writer).stdout(file),
    };
    let status = command.stdin(Stdio::null()).status().expect("it starts");
    drop(command);
    Finished {
        command: format!("{args:?}"),
        code: status.code(),
        out: String::new(),
        err: fs::read_to_string(other).expect("it is text"),
    }
}

#[test]
fn closed_output_makes_it_panic() {
    let sandbox = two_equal_runs();
    let trained = |name: &str| Settings::small().train(name);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let commands = [
        (words("verify a b"), 0),
        (words("verify a b --json"), 0),
        (words("verify a a/checkpoints/step-00000000.mpk"), 1),
        (words("inspect a"), 0),
        (words("inspect a --json"), 0),
        (words("resume a"), 0),
        (words("--help"), 0),
        (trained("c"), 0),
    ];
    for (args, code) in commands {
        let said = into_closed_pipe(&sandbox, &args, true).expect_code(code);
        assert_eq!(said.err, "", "{args:?}");
    }
    assert_eq!(sandbox.latest("c").run.global_step, 9);
}

#[test]
fn closed_error_output_makes_it_panic() {
    let sandbox = sandbox!();
    let mut loud = Settings::small().train("run");
    loud.push("-vv".to_owned());
    into_closed_pipe(&sandbox, &loud, false).expect_code(0);
    assert_eq!(sandbox.latest("run").run.global_step, 9);
    let nowhere = ["inspect", "nowhere"].map(str::to_owned);
    into_closed_pipe(&sandbox, &nowhere, false).expect_code(2);
    into_closed_pipe(&sandbox, &["no-such-command".to_owned()], false).expect_code(2);
}
