//! The omission matrix, second half: a file that lacks any leaf of the state, holds one
//! too many, or holds one of another type, shape or dtype is refused with its path, though
//! its checksum is right.

mod file;

use dacapo::{
    record::{FsStorage, read_sealed, seal},
    trainer::RunFolder,
};
use dacapo_tests::{Settings, sandbox};
use file::{File, Place, Step, at, dotted, insert, is_tensor, remove};
use rmpv::Value;

/// Asserts that `message` names the path. The optimizer's own errors name it as
/// "optimizer: ... `params.x`", and its settings by their keys in the configuration.
#[track_caller]
fn assert_names(message: &str, path: &str, what: &str) {
    let own = path
        .strip_prefix("optimizer.")
        .map(|path| path.strip_prefix("config.").unwrap_or(path))
        .filter(|_| message.contains("optimizer: "));
    let named = message.contains(path) || own.is_some_and(|path| message.contains(path));
    assert!(
        named,
        "{what} `{path}`: the error does not name it: {message}"
    );
}

/// A list of events whose length nothing else knows.
fn is_free_list_item(place: &[Step]) -> bool {
    matches!(place, [.., Step::Index(_)]) && dotted(place).starts_with("run.lineage")
}

fn every_removal_is_refused(file: &File) {
    file.resume(&file.root).expect("the unedited file is fine");
    let places = file.places();
    let mut removed = 0;
    for place in &places {
        // Lists of the identity are compared as a whole, and the test accepts changes.
        if is_free_list_item(place) || dotted(place).contains("_features[") {
            continue;
        }
        let (last, parent) = place.split_last().expect("below the root");
        let message = file.refusal(parent, |parent| remove(parent, last));
        let path = match last {
            Step::Key(_) => dotted(place),
            // Without its last item a list is shorter: the list is named.
            Step::Index(_) => dotted(parent),
        };
        let path = match path.as_str() {
            // A shape with a number less no longer fits its bytes.
            path if path.ends_with(".shape") => path.trim_end_matches(".shape").to_owned(),
            _ => path,
        };
        assert_names(&message, &path, "removed");
        removed += 1;
    }
    assert!(removed > 100, "only {removed} leaves were removed");
}

#[test]
fn file_without_a_leaf_is_accepted() {
    every_removal_is_refused(&File::transformer());
}

#[test]
fn file_without_a_leaf_of_the_running_statistics_is_accepted() {
    let file = File::conv_net();
    let places = file.places();
    let buffers = places
        .iter()
        .filter(|at| dotted(at).starts_with("buffers."));
    assert!(buffers.count() >= 4);
    every_removal_is_refused(&file);
}

#[test]
fn file_without_burns_wrapping_is_accepted() {
    let file = File::transformer();
    for key in ["metadata", "item", "_b"] {
        let message = file.refusal(&[], |root| remove(root, &Step::Key(key.to_owned())));
        assert!(message.contains(key), "{key}: {message}");
    }
    let message = file.refusal(&[], |root| insert(root, "more", Value::Nil));
    assert!(message.contains("more"), "{message}");
}

#[test]
fn leaf_too_many_is_accepted() {
    for file in [File::transformer(), File::conv_net()] {
        let mut root = file.root.clone();
        let mut maps = file.places();
        maps.push(vec![Step::Key("item".to_owned())]);
        maps.retain(|place| at(&mut root, place).is_map());
        assert!(maps.len() > 20);
        for place in maps {
            let message = file.refusal(&place, |map| insert(map, "surplus", Value::Nil));
            let path = match dotted(&place).as_str() {
                "" => "surplus".to_owned(),
                // A tensor with a fourth entry is no tensor.
                path if is_tensor(at(&mut root, &place)) => path.to_owned(),
                // An internally tagged enum is read whole.
                path @ "scheduler.config" => path.to_owned(),
                path => format!("{path}.surplus"),
            };
            assert_names(&message, &path, "added to");
            assert!(!message.contains("surplus.surplus"), "{message}");
        }
    }
}

#[test]
fn tensor_too_many_is_accepted() {
    for file in [File::transformer(), File::conv_net()] {
        for section in ["adapters", "buffers", "optimizer.params"] {
            let mut keys = vec!["item"];
            keys.extend(section.split('.'));
            let place: Place = keys
                .iter()
                .map(|key| Step::Key((*key).to_owned()))
                .collect();
            // A copy of a neighbour, or of an adapter where there is none.
            let mut root = file.root.clone();
            let first = |value: &Value| {
                let entries = value.as_map().expect("a map");
                entries.first().map(|(_, value)| value.clone())
            };
            let adapters = [
                Step::Key("item".to_owned()),
                Step::Key("adapters".to_owned()),
            ];
            let copy = first(at(&mut root, &place))
                .or_else(|| first(at(&mut root, &adapters)))
                .expect("something is trained");
            let message = file.refusal(&place, |map| insert(map, "more.weight", copy));
            assert_names(&message, &format!("{section}.more.weight"), "added");
        }
    }
}

#[test]
fn metric_too_many_is_accepted() {
    let file = File::transformer();
    let mut place: Place = ["item", "run", "history"]
        .map(|key| Step::Key(key.to_owned()))
        .into();
    place.extend([Step::Index(0), Step::Key("metrics".to_owned())]);
    let message = file.refusal(&place, |map| insert(map, "more", Value::F64(0.5)));
    assert_names(&message, "run.history[0].metrics.more", "added");
}

#[test]
fn leaf_of_another_type_is_accepted() {
    for file in [File::transformer(), File::conv_net()] {
        let mut root = file.root.clone();
        let tensors = file.tensors();
        for place in file.places() {
            // Shapes and dtypes have tests of their own.
            let inside = |tensor: &Place| {
                place.len() > tensor.len() && dotted(&place).starts_with(&dotted(tensor))
            };
            if tensors.iter().any(inside) {
                continue;
            }
            // The nearest other types: those that serde converts without a word.
            let others = match at(&mut root, &place) {
                Value::Integer(value) => vec![
                    Value::F64(value.as_f64().expect("a number")),
                    Value::String("1".into()),
                ],
                Value::F64(value) => vec![
                    Value::F32(*value as f32),
                    Value::from(*value as i64),
                    Value::Nil,
                ],
                Value::String(_) => vec![Value::Binary(vec![120]), Value::from(1), Value::Nil],
                Value::Boolean(_) => vec![Value::from(1), Value::Nil],
                Value::Nil => vec![Value::Boolean(false), Value::Map(Vec::new())],
                Value::Map(_) => vec![Value::Nil, Value::Array(Vec::new())],
                Value::Array(_) => vec![Value::Nil, Value::Map(Vec::new())],
                _ => Vec::new(),
            };
            for other in others {
                let shown = other.to_string();
                let message = file.refusal(&place, |value| *value = other);
                let path = dotted(&place);
                let path = match path.as_str() {
                    // An internally tagged enum is read whole.
                    path if path.starts_with("scheduler.config.") => "scheduler.config",
                    path => path,
                };
                assert_names(&message, path, &format!("put {shown} at"));
            }
        }
    }
}

#[test]
fn tensor_of_another_shape_is_accepted() {
    for file in [File::transformer(), File::conv_net()] {
        for place in file.tensors() {
            let message = file.refusal(&place, |tensor| {
                let shape = at(tensor, &[Step::Key("shape".to_owned())]);
                match shape {
                    Value::Array(extents) => extents.insert(0, 1.into()),
                    other => panic!("{other} is no shape"),
                }
            });
            assert_names(&message, &dotted(&place), "another shape of");
        }
    }
}

#[test]
fn tensor_of_another_dtype_is_accepted() {
    for file in [File::transformer(), File::conv_net()] {
        for place in file.tensors() {
            for dtype in ["I32", "U32"] {
                let message = file.refusal(&place, |tensor| {
                    *at(tensor, &[Step::Key("dtype".to_owned())]) = dtype.into();
                });
                assert_names(&message, &dotted(&place), "another dtype of");
            }
        }
    }
}

#[test]
fn section_that_is_doubled_is_accepted() {
    let file = File::transformer();
    let item = [Step::Key("item".to_owned())];
    for section in ["adapters", "optimizer", "rng", "run", "info"] {
        let mut root = file.root.clone();
        let place = [item[0].clone(), Step::Key(section.to_owned())];
        let copy = at(&mut root, &place).clone();
        let message = file.refusal(&item, |map| insert(map, section, copy));
        assert!(message.contains(section), "{section}: {message}");
    }
}

#[test]
fn file_without_a_section_is_resumed_by_the_program() {
    let sandbox = sandbox!();
    let args = Settings::small().train_until("run", 4);
    sandbox.run(args).expect_success();
    let folder = RunFolder::new(sandbox.path("run"));
    let name = folder.latest().expect("a pointer").expect("a checkpoint");
    let file = folder.checkpoint(&name).expect("a path");
    let payload = read_sealed(&FsStorage, &file).expect("a whole file");
    let whole = rmpv::decode::read_value(&mut payload.as_slice()).expect("MessagePack");
    let item = [Step::Key("item".to_owned())];
    let sections: Vec<String> = at(&mut whole.clone(), &item)
        .as_map()
        .expect("a map")
        .iter()
        .map(|(key, _)| key.as_str().expect("a key").to_owned())
        .collect();
    assert_eq!(sections.len(), 10, "{sections:?}");
    for section in sections {
        let mut root = whole.clone();
        remove(at(&mut root, &item), &Step::Key(section.clone()));
        let mut payload = Vec::new();
        rmpv::encode::write_value(&mut payload, &root).expect("a vector takes everything");
        std::fs::write(&file, seal(payload)).expect("written");
        let needle = format!("state `{section}`: expected a complete record, found nothing");
        for args in [
            vec!["resume", "run"],
            vec!["resume", "run", "--allow-identity-change"],
            vec!["inspect", "run"],
        ] {
            let refused = sandbox.run(args).expect_code(2);
            assert!(refused.err.contains(&needle), "{}", refused.err);
        }
    }
}
