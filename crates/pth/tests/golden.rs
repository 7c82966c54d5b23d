//! Files that PyTorch wrote, and the values that PyTorch put into them.

mod common;

use common::{GOLDEN, describe, golden, read_all, read_golden};
use dacapo_pth::{Dict, PthFile};
use serde_json::Value as Json;

fn expected(name: &str) -> Json {
    let all: Json = serde_json::from_slice(&read_golden("pth.json")).expect("JSON");
    all[name].clone()
}

/// Compares value by value, so that a difference is short to read.
#[track_caller]
fn assert_same(found: &Json, expected: &Json, place: &str) {
    match (found, expected) {
        (Json::Array(found), Json::Array(expected)) if found.len() == expected.len() => {
            for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert_same(found, expected, &format!("{place}[{i}]"));
            }
        }
        (Json::Object(found), Json::Object(expected)) if found.keys().eq(expected.keys()) => {
            for (key, found) in found {
                assert_same(found, &expected[key], &format!("{place}.{key}"));
            }
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}

#[track_caller]
fn assert_golden(name: &str) {
    let file = PthFile::open(golden(name)).unwrap();
    assert!(!file.is_torch_script());
    let found = describe(file.root().value()).unwrap();
    assert_same(&found, &expected(name), name);
}

#[test]
fn dtype_is_mistaken_for_another() {
    assert_golden("dtypes.pth");
}

#[test]
fn view_gives_the_elements_of_its_storage() {
    assert_golden("views.pth");
}

#[test]
fn metadata_of_a_state_dict_gets_in_the_way() {
    assert_golden("model.pth");
}

#[test]
fn state_of_a_training_run_loses_a_value() {
    assert_golden("checkpoint.pth");
}

#[test]
fn name_with_dots_is_taken_apart() {
    assert_golden("dora.pth");
    let file = PthFile::open(golden("dora.pth")).unwrap();
    let name = "clip_model.visual.transformer.resblocks.22.attn.out_proj.m";
    let tensor = file.root().get(name).unwrap().tensor().unwrap().clone();
    assert_eq!(tensor.shape(), [1, 4]);
}

#[test]
fn plain_value_changes() {
    assert_golden("plain.pth");
}

#[test]
fn torch_script_is_no_state_dict() {
    let file = PthFile::open(golden("script.pt")).unwrap();
    assert!(file.is_torch_script());
    let mut tensors = file.root().tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let entries = tensors.iter();
    let found: Dict = entries
        .map(|(name, tensor)| (name.as_str(), (*tensor).clone().into()))
        .collect();
    assert_same(
        &describe(&found.into()).unwrap(),
        &expected("script.pt"),
        "script.pt",
    );
    let root = file.root();
    assert_eq!(root.get("width").unwrap().int().unwrap(), 5);
    assert!(
        !root
            .get("norm")
            .unwrap()
            .get("training")
            .unwrap()
            .bool()
            .unwrap()
    );
}

#[test]
fn file_from_memory_differs_from_the_one_on_disk() {
    for name in GOLDEN {
        let file = PthFile::open(golden(name)).unwrap();
        let found = describe(file.root().value()).unwrap();
        assert_eq!(read_all(read_golden(name)).unwrap(), found, "{name}");
    }
}

#[test]
fn file_or_tensor_stays_on_its_thread() {
    fn assert_free<T: Send + Sync>() {}
    assert_free::<PthFile>();
    assert_free::<dacapo_pth::Tensor>();
}

#[test]
fn tensor_dies_with_its_file() {
    let tensor = {
        let file = PthFile::open(golden("dora.pth")).unwrap();
        let root = file.root();
        root.tensors().pop().expect("a tensor").1.clone()
    };
    assert_eq!(tensor.bytes().unwrap().len(), 32);
}

/// What the training code of the researchers saves, walked as a program would.
#[test]
fn accessor_refuses_what_is_there() {
    let file = PthFile::open(golden("checkpoint.pth")).unwrap();
    let root = file.root();
    let optimizer = root.get("optimizer_state_dict").unwrap();
    let state = optimizer.get("state").unwrap().get(3).unwrap();
    let average = state.get("exp_avg").unwrap();
    assert_eq!(average.tensor().unwrap().shape(), [2]);
    assert_eq!(average.place(), "optimizer_state_dict.state[3].exp_avg");
    let groups = optimizer.get("param_groups").unwrap().items().unwrap();
    assert_eq!(groups[1].get("weight_decay").unwrap().float().unwrap(), 0.0);
    let betas = groups[0].get("betas").unwrap().items().unwrap();
    assert_eq!(betas[1].float().unwrap(), 0.999);
    let python = root.get("python_rng_state").unwrap().items().unwrap();
    assert_eq!(python[1].items().unwrap().len(), 625);
    assert!(python[2].is_none());
    let numpy = root.get("numpy_rng_state").unwrap().items().unwrap();
    assert_eq!(numpy[0].str().unwrap(), "MT19937");
    assert_eq!(numpy[1].numpy_array().unwrap().shape(), [624]);
    assert_eq!(numpy[3].int().unwrap(), 1);
    assert!(root.find("absent").unwrap().is_none());
}
