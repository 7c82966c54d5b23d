//! `dacapo merge`.

use std::fs;

use crate::{
    models::{Kind, dora, rslora, tensors},
    outputs::{Of, assert_close, own_outputs},
};

#[test]
fn merged_model_computes_something_else_than_the_run() {
    let bert = [
        dora(Kind::Bert),
        rslora(Kind::Bert),
        dora(Kind::Bert).replace("flavour = \"peft\"", "flavour = \"peft\"\ninit = \"olora\""),
    ];
    let clip = [
        dora(Kind::Clip).replace("\"peft\"", "\"clip-hba\""),
        dora(Kind::Clip).replace("flavour = \"peft\"", "flavour = \"lora\"\ninit = \"pissa\""),
        dora(Kind::Clip).replace(
            "dropout",
            "also_train = [\"visual.blocks.0.norm1.*\"]\ndropout",
        ),
        // A convolution in the original.
        dora(Kind::Clip).replace(
            "\"visual.blocks.0",
            "\"visual.patch_embed\", \"visual.blocks.0",
        ),
        "[adapt]\nmode = \"full\"\n".to_owned(),
    ];
    let bert = bert.into_iter().map(|adapt| (Kind::Bert, adapt));
    let clip = clip.into_iter().map(|adapt| (Kind::Clip, adapt));
    for (kind, adapt) in bert.chain(clip) {
        let sandbox = kind.trained(&adapt);
        let merge = ["merge", "run", "--out", "merged.safetensors"];
        sandbox.run(merge).expect_code(0);
        let again = sandbox.run(merge).expect_code(2).err;
        assert!(again.contains("exists already"), "{again}");
        let record = sandbox.latest("run");
        let path = sandbox.path("merged.safetensors");
        let merged = own_outputs(kind, sandbox.root(), &Of::Merged(&path));
        let run = own_outputs(kind, sandbox.root(), &Of::Run(&record));
        assert_close(&adapt, &merged, &run);

        let base = tensors(&sandbox.path("base/model.safetensors"));
        let merged = tensors(&path);
        assert!(base.keys().eq(merged.keys()));
        let changed: Vec<&String> = base
            .keys()
            .filter(|name| base[*name] != merged[*name])
            .collect();
        let expected = match (kind, adapt.as_str()) {
            (_, adapt) if adapt.contains("full") => base.len(),
            (Kind::Bert, _) => 10,
            (Kind::Clip, adapt) if adapt.contains("also_train") => 11,
            (Kind::Clip, adapt) if adapt.contains("patch_embed") => 10,
            (Kind::Clip, _) => 9,
        };
        assert_eq!(changed.len(), expected, "{adapt}: {changed:?}");

        let head = sandbox.path("merged.head.safetensors");
        match kind {
            Kind::Clip => assert!(!head.exists()),
            Kind::Bert => {
                let head = tensors(&head);
                let bias = &record.adapters["head.bias"];
                assert_eq!(head["head.bias"].2, bias.as_bytes());
            }
        }
    }
}

#[test]
fn merged_weights_are_written_where_they_should_not_be() {
    let sandbox = Kind::Bert.trained(&dora(Kind::Bert));
    let refused = |out: &str, part: &str| {
        let error = sandbox
            .run(["merge", "run", "--out", out])
            .expect_code(2)
            .err;
        assert!(error.contains(part), "{error}");
    };
    refused("merged.bin", "end with .safetensors");
    fs::write(sandbox.path("m.head.safetensors"), "mine").expect("written");
    refused("m.safetensors", "m.head.safetensors exists already");
    assert!(!sandbox.path("m.safetensors").exists());
    let kept = fs::read(sandbox.path("m.head.safetensors")).expect("there");
    assert_eq!(kept, b"mine");
    let told = sandbox.run(["merge", "run", "--json", "--out", "new/m.safetensors"]);
    let told = told.expect_code(0).json();
    assert_eq!(told["merged_layers"], 10);
    assert_eq!(told["files"].as_array().map(Vec::len), Some(2));
    assert!(sandbox.path("new/m.head.safetensors").exists());
}
