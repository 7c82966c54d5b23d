//! CLIP on THINGS through the program: from tables and images to RSA figures, stopped and
//! resumed, and what is refused before training.

use std::{
    fs,
    path::{Path, PathBuf},
};

use dacapo::pth::PthFile;
use dacapo_tests::{GOLDEN_CLIP_SIZES, Sandbox, dissimilarities, sandbox, target_table};

/// A table of so many images from `first` on.
fn table(first: usize, count: usize) -> String {
    target_table(first, count, |image| format!("thing{image:02}_01b.jpg"))
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/models/tests/golden")
        .join(name)
}

/// A small CLIP with random weights; `clip` is added to its section.
fn config(targets: &str, rsa: [&str; 2], batch: usize, clip: &str) -> String {
    let merges = golden("clip_merges.txt");
    format!(
        r#"
[run]
seed = 3
[model]
kind = "clip"
[data]
name = "things"
[clip]
merges = "{}"
prompts = "prompts.txt"
images = "images"
targets = "{targets}"
rsa_targets = "{}"
rsa_rdm = "{}"
{clip}
{GOLDEN_CLIP_SIZES}[adapt]
flavour = "clip-hba"
rank = 4
alpha = 16.0
targets = ["visual.blocks.1.attn.out_proj", "text.blocks.1.attn.out_proj"]
[optimizer]
lr = 0.01
[scheduler]
kind = "constant"
[train]
epochs = 2
batch_size = {batch}
"#,
        merges.display(),
        rsa[0],
        rsa[1]
    )
}

const RANDOM: &str = "weights = \"random\"";

fn write(sandbox: &Sandbox, name: &str, text: &str) {
    fs::write(sandbox.path(name), text).expect("the folder can be written to");
}

/// 20 images to train and judge on, 6 for the RSA.
fn small() -> Sandbox {
    let sandbox = sandbox!();
    write(&sandbox, "targets.csv", &table(0, 20));
    write(&sandbox, "heldout.csv", &table(20, 6));
    write(&sandbox, "rdm.csv", &dissimilarities(6));
    let prompts: Vec<String> = (0..66)
        .map(|i| format!("thing-related; number {i}"))
        .collect();
    write(&sandbox, "prompts.txt", &prompts.join("\n"));
    let drawn = ["stand-ins", "targets.csv", "heldout.csv", "--out", "images"];
    sandbox.run(drawn).expect_code(0);
    write(
        &sandbox,
        "run.toml",
        &config("targets.csv", ["heldout.csv", "rdm.csv"], 4, RANDOM),
    );
    sandbox
}

#[track_caller]
fn assert_resumes(sandbox: &Sandbox, steps: &[&str]) {
    sandbox
        .run(["train", "run.toml", "--out", "whole"])
        .expect_code(0);
    let first = [
        "train",
        "run.toml",
        "--out",
        "halves",
        "--stop-after-step",
        steps[0],
    ];
    sandbox.run(first).expect_code(0);
    for step in &steps[1..] {
        sandbox
            .run(["resume", "halves", "--stop-after-step", step])
            .expect_code(0);
    }
    let end = sandbox.run(["resume", "halves"]).expect_code(0);
    assert!(end.out.contains("rsa      rho "), "{}", end.out);
    sandbox.run(["verify", "whole", "halves"]).expect_code(0);
    let history = sandbox.history("whole");
    let heading = history.lines().next().expect("a heading");
    for column in ["train_loss", "valid_loss", "rsa_rho", "rsa_p"] {
        assert!(heading.contains(column), "{heading}");
    }
    assert!(!history.contains("NaN"), "{history}");
}

#[test]
fn stopped_run_ends_in_other_bits() {
    let sandbox = small();
    assert_resumes(&sandbox, &["1", "2", "5"]);
    // Files that were moved are found by the paths in the run's own configuration.
    let path = sandbox.path("whole").join("config.toml");
    let moved = fs::read_to_string(&path).expect("a run has one");
    fs::rename(sandbox.path("images"), sandbox.path("elsewhere")).expect("renamed");
    let gone = sandbox
        .run(["resume", "whole", "--epochs", "3"])
        .expect_code(2);
    assert!(gone.err.contains("images"), "{}", gone.err);
    fs::write(&path, moved.replace("/images\"", "/elsewhere\"")).expect("written");
    sandbox
        .run(["resume", "whole", "--epochs", "3"])
        .expect_code(0);
}

/// Prompts, targets, dissimilarities and images are no settings: the fingerprint tells.
#[test]
fn run_goes_on_with_other_data() {
    let sandbox = small();
    let train = [
        "train",
        "run.toml",
        "--out",
        "run",
        "--stop-after-step",
        "2",
    ];
    sandbox.run(train).expect_code(0);
    let target = |text: String| text.replacen("_01b.jpg,", "_01b.jpg,9", 1);
    let prompt = |text: String| text.replacen("number 7", "number 8", 1);
    let rdm = |text: String| text.replacen("0.1", "0.9", 2);
    for (name, change) in [
        ("targets.csv", &target as &dyn Fn(String) -> String),
        ("prompts.txt", &prompt),
        ("rdm.csv", &rdm),
    ] {
        let path = sandbox.path(name);
        let before = fs::read_to_string(&path).expect("written");
        let after = change(before.clone());
        assert_ne!(before, after, "{name}");
        fs::write(&path, after).expect("written");
        let refused = sandbox.run(["resume", "run"]).expect_code(2).err;
        assert!(refused.contains("fingerprint"), "{name}: {refused}");
        fs::write(&path, before).expect("written");
    }
    for image in ["thing03_01b.jpg", "thing22_01b.jpg"] {
        let [path, other] =
            [image, "thing04_01b.jpg"].map(|name| sandbox.path("images").join(name));
        let before = fs::read(&path).expect("drawn");
        fs::copy(other, &path).expect("copied");
        let refused = sandbox.run(["resume", "run"]).expect_code(2).err;
        assert!(refused.contains("fingerprint"), "{image}: {refused}");
        fs::write(&path, before).expect("written");
    }
    sandbox.run(["resume", "run"]).expect_code(0);
}

/// All real targets and the real reference matrix; the images are stand-ins.
#[test]
fn real_targets_are_not_trained_on() {
    let data = match std::env::var_os("DACAPO_THINGS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/things"),
    };
    let targets = data.join("spose_embedding66d_rescaled_1806train.csv");
    let heldout = data.join("spose_embedding66d_rescaled_48val_reordered.csv");
    if !targets.is_file() {
        println!("skipped: {} is not there", targets.display());
        return;
    }
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let sandbox = sandbox!();
    let labels = fs::read_to_string(data.join("labels66.txt")).expect("the labels lie beside them");
    write(&sandbox, "prompts.txt", &labels);
    let (targets, heldout) = (text(&targets), text(&heldout));
    let drawn = ["stand-ins", &targets, &heldout, "--out", "images"];
    sandbox.run(drawn).expect_code(0);
    let rdm = text(&data.join("RDM48_triplet.mat"));
    write(
        &sandbox,
        "run.toml",
        &config(&targets, [&heldout, &rdm], 361, RANDOM),
    );
    assert_resumes(&sandbox, &["3"]);
    let told = sandbox.run([
        "train",
        "run.toml",
        "--out",
        "told",
        "--stop-after-step",
        "1",
    ]);
    let told = told.expect_code(0).out;
    assert!(
        told.contains("1444 training, 362 validation images; behavioural RSA of 48"),
        "{told}"
    );
}

#[track_caller]
fn assert_refused(sandbox: &Sandbox, parts: &[&str]) {
    let refused = sandbox
        .run(["train", "run.toml", "--out", "refused"])
        .expect_code(2);
    for part in parts {
        assert!(
            refused.err.contains(part),
            "`{part}` is not in: {}",
            refused.err
        );
    }
    assert!(!sandbox.path("refused").exists(), "a run folder was made");
}

#[test]
fn bad_input_is_trained_on() {
    let sandbox = small();
    let good = table(0, 20);
    write(
        &sandbox,
        "targets.csv",
        &good.replacen("\n3,thing03_01b.jpg,", "\n3,thing03_01b.jpg,NaN,", 1),
    );
    assert_refused(&sandbox, &["targets.csv", "thing03_01b.jpg"]);
    let short = good.replacen("\n3,thing03_01b.jpg,19.5", "\n3,thing03_01b.jpg", 1);
    assert_ne!(short, good);
    write(&sandbox, "targets.csv", &short);
    assert_refused(&sandbox, &["row 5", "thing03_01b.jpg", "66"]);
    write(
        &sandbox,
        "targets.csv",
        &good.replacen("thing03_01b", "thing99_01b", 1),
    );
    assert_refused(&sandbox, &["images", "thing99_01b.jpg"]);
    write(&sandbox, "targets.csv", &good);

    let image = sandbox.path("images/thing07_01b.jpg");
    let whole = fs::read(&image).expect("drawn");
    fs::write(&image, &whole[..whole.len() / 2]).expect("written");
    assert_refused(&sandbox, &["thing07_01b.jpg"]);
    fs::write(&image, &whole).expect("written");

    write(&sandbox, "rdm.csv", &dissimilarities(5));
    assert_refused(&sandbox, &["clip.rsa_rdm has 5 rows", "6 images"]);
    write(&sandbox, "rdm.csv", &dissimilarities(6));

    let prompts = fs::read_to_string(sandbox.path("prompts.txt")).expect("written");
    let fewer: Vec<&str> = prompts.lines().take(65).collect();
    write(&sandbox, "prompts.txt", &fewer.join("\n"));
    assert_refused(&sandbox, &["clip.prompts", "66 prompts", "65 lines"]);
    // Both would be tokens of the first prompt.
    for odd in ["\u{feff}", "\0", "\u{1b}[2J"] {
        write(&sandbox, "prompts.txt", &format!("{odd}{prompts}"));
        let shown = odd.escape_debug().to_string();
        assert_refused(&sandbox, &["clip.prompts", "line 1", &shown, "UTF-8"]);
    }
    fs::write(sandbox.path("prompts.txt"), b"\xff\xfea\0").expect("written");
    assert_refused(&sandbox, &["clip.prompts", "prompts.txt", "UTF-8"]);
    fs::remove_file(sandbox.path("prompts.txt")).expect("removed");
    fs::create_dir(sandbox.path("prompts.txt")).expect("a folder");
    assert_refused(&sandbox, &["clip.prompts", "prompts.txt", "a folder"]);
    fs::remove_dir(sandbox.path("prompts.txt")).expect("removed");
    // Opening it would wait for a writer for ever.
    #[cfg(unix)]
    {
        let pipe = sandbox.path("prompts.txt");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        assert_refused(&sandbox, &["clip.prompts", "prompts.txt", "a pipe"]);
        fs::remove_file(&pipe).expect("removed");
    }
    write(&sandbox, "prompts.txt", &prompts);

    let others = format!("weights = \"{}\"", golden("clip_hf.safetensors").display());
    let rsa = ["heldout.csv", "rdm.csv"];
    write(
        &sandbox,
        "run.toml",
        &config("targets.csv", rsa, 4, &others),
    );
    assert_refused(
        &sandbox,
        &["clip_hf.safetensors", "vision_model.encoder.layers.2"],
    );
    write(
        &sandbox,
        "run.toml",
        &config("targets.csv", rsa, 4, "weights = \"nowhere\""),
    );
    assert_refused(&sandbox, &["clip.weights", "nowhere"]);
    let vit = config("targets.csv", rsa, 4, RANDOM).replace("kind = \"clip\"", "kind = \"vit\"");
    write(
        &sandbox,
        "run.toml",
        &vit.replace("\"things\"", "\"digits\""),
    );
    assert_refused(&sandbox, &["[clip]"]);
}

/// `A` and `B` are the transposes of what the original keeps.
#[test]
fn exported_adapters_are_others() {
    let sandbox = small();
    let train = [
        "train",
        "run.toml",
        "--out",
        "run",
        "--stop-after-step",
        "5",
    ];
    sandbox.run(train).expect_code(0);
    let export = ["export", "run", "--format", "clip-hba", "--out", "exported"];
    let within = sandbox.run(export).expect_code(2).err;
    assert!(within.contains("within epoch 2"), "{within}");
    let saved = sandbox
        .run(["resume", "run", "--save", "base.mpk"])
        .expect_code(2)
        .err;
    assert!(saved.contains("no base"), "{saved}");
    sandbox.run(["resume", "run"]).expect_code(0);
    sandbox.run(export).expect_code(0);
    let twice = sandbox.run(export).expect_code(2).err;
    assert!(twice.contains("exists already"), "{twice}");

    let file = sandbox.path("exported/dora_params/epoch1_dora_params.pth");
    let file = PthFile::open(file).expect("a file of PyTorch");
    let record = sandbox.latest("run");
    let mut found = 0;
    for (theirs, ours) in [
        (
            "clip_model.visual.transformer.resblocks.1",
            "visual.blocks.1",
        ),
        ("clip_model.transformer.resblocks.1", "text.blocks.1"),
    ] {
        for (theirs, ours, turned) in [
            (
                format!("{theirs}.attn.out_proj.m"),
                format!("{ours}.attn.out_proj.adapter.magnitude"),
                false,
            ),
            (
                format!("{theirs}.attn.out_proj.delta_D_A"),
                format!("{ours}.attn.out_proj.adapter.lora_b"),
                true,
            ),
            (
                format!("{theirs}.attn.out_proj.delta_D_B"),
                format!("{ours}.attn.out_proj.adapter.lora_a"),
                true,
            ),
        ] {
            let tensor = file
                .root()
                .get(theirs.as_str())
                .expect("a key")
                .tensor()
                .expect("a tensor");
            let mut shape = record.adapters[&ours].shape.to_vec();
            let values = record.adapters[&ours].as_slice::<f32>().expect("f32");
            let bytes = tensor.bytes().expect("whole");
            let at = |index: usize| {
                f32::from_le_bytes(bytes[4 * index..][..4].try_into().expect("four"))
            };
            for (index, value) in values.iter().enumerate() {
                let to = match turned {
                    true => index % shape[1] * shape[0] + index / shape[1],
                    false => index,
                };
                assert_eq!(at(to).to_bits(), value.to_bits(), "{theirs}[{to}]");
            }
            if turned {
                shape.reverse();
            }
            assert_eq!(tensor.shape(), shape, "{theirs}");
            found += 1;
        }
    }
    assert_eq!(file.root().tensors().len(), found);

    let digits = ["train", "--out", "digits", "--epochs", "1"];
    sandbox.run(digits).expect_code(0);
    let export = [
        "export",
        "digits",
        "--format",
        "clip-hba",
        "--out",
        "elsewhere",
    ];
    let refused = sandbox.run(export).expect_code(2).err;
    assert!(refused.contains("model.kind is \"vit\""), "{refused}");
}

#[test]
fn example_does_not_load() {
    for (name, blocks) in [("clip_hba", 24), ("clip_small", 3)] {
        let path = format!("{}/../examples/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let base = dacapo::config::RunConfig::default();
        let config = dacapo::config::load_config(base, Some(Path::new(&path)), &[]);
        let config = config.expect("the example loads");
        let clip = config.clip.expect("it has the section");
        assert_eq!(clip.model().vision.blocks, blocks);
        for target in &config.adapt.targets {
            assert!(target.ends_with(".attn.out_proj"), "{target}");
        }
    }
}

/// Another process reads what the first has computed, and refuses what is damaged.
#[test]
fn prefix_in_a_folder_changes_bits_or_is_not_shared() {
    let sandbox = small();
    let run = |args: &[&str]| sandbox.run(args).expect_code(0).out;
    let said = run(&["train", "run.toml", "--out", "whole"]);
    assert!(said.contains("prefix   kept on the device"), "{said}");
    let folder = ["--prefix-folder", "rows"];
    let train = ["train", "run.toml", "--out"];
    let files = || {
        let entries = std::fs::read_dir(sandbox.path("rows")).expect("the folder is made");
        let mut files: Vec<_> = entries
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let changed = path.metadata().and_then(|data| data.modified());
                (path, changed.expect("a time"))
            })
            .collect();
        files.sort();
        files
    };
    run(&[&train[..], &["first"], &folder].concat());
    let written = files();
    // The images and those of the RSA.
    assert_eq!(written.len(), 2, "{written:?}");
    run(&[&train[..], &["second", "--stop-after-step", "3"], &folder].concat());
    run(&[&["resume", "second"], &folder[..]].concat());
    assert_eq!(files(), written, "a file was written again");
    for other in ["first", "second"] {
        run(&["verify", "whole", other]);
    }
    // Another cut is another file.
    let cut = ["--set", r#"adapt.targets=["visual.blocks.1.attn.key"]"#];
    run(&[&train[..], &["cut"], &cut, &folder].concat());
    assert_eq!(files().len(), 4);

    let (path, _) = &written[0];
    let mut bytes = std::fs::read(path).expect("it can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("it can be written");
    let refused = sandbox.run([&train[..], &["third"], &folder].concat());
    let told = refused.expect_code(2).err;
    assert!(told.contains("delete it"), "{told}");
    std::fs::remove_file(path).expect("it can be deleted");
    run(&[&train[..], &["fourth"], &folder].concat());
    run(&["verify", "whole", "fourth"]);
}

/// It is no state: with it or without, stopped and resumed, branched off and disturbed.
#[test]
fn kept_prefix_changes_bits() {
    const OFF: &str = "--no-prefix-cache";
    let sandbox = small();
    let run = |args: &[&str]| sandbox.run(args).expect_code(0).out;
    let equal = |a: &str, b: &str| run(&["verify", a, b]);
    let cases = [
        (
            r#"["visual.blocks.1.attn.out_proj", "text.blocks.1.attn.out_proj"]"#,
            [
                "images are computed once up to block 1's out_proj",
                "prompts are computed once up to block 1's out_proj",
            ],
        ),
        (
            r#"["visual.blocks.0.mlp.fc1", "visual.blocks.1.*", "text.projection"]"#,
            [
                "images are computed once up to block 0's out_proj",
                "prompts are computed once up to block 2",
            ],
        ),
        (
            r#"["visual.blocks.1.attn.key", "text.blocks.0.attn.query"]"#,
            ["images are computed once up to block 1", "RSA of 6"],
        ),
    ];
    for (case, (targets, told)) in cases.iter().enumerate() {
        let name = |kind: &str| format!("{kind}-{case}");
        let set = format!("adapt.targets={targets}");
        let train = |out: &str, more: &[&str]| {
            let args = ["train", "run.toml", "--set", &set, "--out", out];
            run(&[&args, more].concat())
        };
        let (kept, computed) = (name("kept"), name("computed"));
        let said = train(&kept, &[]);
        for told in told {
            assert!(said.contains(told), "{told:?} is not in {said}");
        }
        train(&computed, &[OFF]);
        equal(&kept, &computed);

        let (first, second) = (name("first"), name("second"));
        train(&first, &["--stop-after-step", "3"]);
        run(&["resume", &first, OFF]);
        train(&second, &[OFF, "--stop-after-step", "6"]);
        run(&["resume", &second]);
        equal(&kept, &first);
        equal(&kept, &second);
    }
    for kind in ["image-noise", "uniform-images", "label-shuffle"] {
        let [kept, computed] = ["kept", "computed"].map(|way| format!("{kind}-{way}"));
        for (out, more) in [(&kept, None), (&computed, Some(OFF))] {
            let fork = [
                "fork",
                "kept-0",
                "--at",
                "1",
                "--perturb",
                kind,
                "--out",
                out,
            ];
            run(&[&fork[..], &["--length", "2", "--unit", "step"]].concat());
            let resume = ["resume", out].into_iter().chain(more);
            run(&resume.collect::<Vec<_>>());
        }
        equal(&kept, &computed);
        sandbox
            .run(["verify", "kept-0", &kept, "--across-forks"])
            .expect_code(1);
    }
}
