//! Patterns over a model's layers, and the configuration.

mod common;

use burn::module::Module;
use burn::tensor::{DType, Tensor, backend::Backend};
use common::*;
use dacapo_dora::{
    AttachPlan, DoraConfig, DoraError, DoraLinear, DoraTargets, Flavour, KeyedDropout,
    attach_matching, merge_all, unmerge_all,
};
use dacapo_rng::DropoutKey;

#[derive(Module, Debug)]
struct Block<B: Backend> {
    query: DoraLinear<B>,
    out_proj: DoraLinear<B>,
}

#[derive(Module, Debug)]
struct Model<B: Backend> {
    blocks: Vec<Block<B>>,
    head: DoraLinear<B>,
    #[module(skip)]
    ambiguous: bool,
}

impl<B: Backend> DoraTargets<B> for Model<B> {
    fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        let mut blocks = Vec::new();
        for (i, block) in self.blocks.into_iter().enumerate() {
            let i = if self.ambiguous { 0 } else { i };
            blocks.push(Block {
                query: f(&format!("blocks.{i}.query"), block.query)?,
                out_proj: f(&format!("blocks.{i}.out_proj"), block.out_proj)?,
            });
        }
        let head = f("head", self.head)?;
        Ok(Self {
            blocks,
            head,
            ..self
        })
    }
}

fn model() -> Model<Plain> {
    let device = device();
    let mut stream = stream("model");
    let blocks = (0..3)
        .map(|_| Block {
            query: DoraLinear::init(8, 8, true, &mut stream, &device),
            out_proj: DoraLinear::init(8, 8, true, &mut stream, &device),
        })
        .collect();
    Model {
        blocks,
        head: DoraLinear::init(8, 3, true, &mut stream, &device),
        ambiguous: false,
    }
}

fn attach(
    model: Model<Plain>,
    patterns: &[&str],
) -> Result<(Model<Plain>, Vec<String>), DoraError> {
    let patterns: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
    let config = config(Flavour::ClipHba, 2, 0.0);
    attach_matching(model, &patterns, &config, &mut stream("init"))
}

#[test]
fn pattern_attaches_to_other_layers() {
    let all = ["blocks.0.query", "blocks.0.out_proj", "blocks.1.query"];
    for (patterns, expected) in [
        (
            vec!["*.out_proj"],
            vec![
                "blocks.0.out_proj",
                "blocks.1.out_proj",
                "blocks.2.out_proj",
            ],
        ),
        (
            vec!["head", "blocks.2.*"],
            vec!["blocks.2.query", "blocks.2.out_proj", "head"],
        ),
        (
            vec!["blocks.?.query", "blocks.1.*"],
            vec![all[0], all[2], "blocks.1.out_proj", "blocks.2.query"],
        ),
    ] {
        let (model, attached) = attach(model(), &patterns).unwrap();
        assert_eq!(attached, expected);
        let adapted: usize = (model.blocks.iter())
            .flat_map(|b| [&b.query, &b.out_proj])
            .chain([&model.head])
            .filter(|l| l.adapter.is_some())
            .count();
        assert_eq!(adapted, expected.len());
        let path = model.blocks[2].query.adapter.as_ref().map(|a| a.path());
        assert!(path.is_none() || path == Some("blocks.2.query"));
    }
}

#[test]
fn attaching_twice_from_one_position_differs() {
    let values = || {
        let (model, _) = attach(model(), &["*"]).unwrap();
        let layers = model.blocks.into_iter().flat_map(|b| [b.query, b.out_proj]);
        layers
            .map(|l| bits(l.adapter.unwrap().lora_a.val()))
            .collect::<Vec<_>>()
    };
    let first = values();
    assert_eq!(first, values());
    assert_ne!(first[0], first[1], "layers share their draws");
}

#[test]
fn useless_pattern_is_ignored() {
    let error = attach(model(), &["head", "*.value"]).unwrap_err();
    assert!(matches!(&error, DoraError::UnmatchedPattern { pattern, .. } if pattern == "*.value"));
    let message = error.to_string();
    assert!(
        message.contains("blocks.1.out_proj") && message.contains("head"),
        "{message}"
    );
    let error = attach(model(), &[]).unwrap_err().to_string();
    assert!(error.contains("blocks.0.query"), "{error}");
}

#[test]
fn refused_attachment_moves_the_stream() {
    let mut drawn = stream("init");
    let config = config(Flavour::Peft, 4, 0.0);
    // `head` has 3 outputs only and comes last.
    let error = attach_matching(model(), &["*".to_owned()], &config, &mut drawn).unwrap_err();
    assert!(matches!(&error, DoraError::RankTooLarge { path, .. } if path == "head"));
    let (twice, _) = attach(model(), &["head"]).unwrap();
    let error = attach(twice, &["*"]).unwrap_err();
    assert!(matches!(&error, DoraError::AlreadyAttached { path, .. } if path == "head"));
    let ambiguous = Model {
        ambiguous: true,
        ..model()
    };
    let error = attach(ambiguous, &["*"]).unwrap_err();
    assert!(matches!(&error, DoraError::DuplicatePath { path } if path == "blocks.0.query"));
    assert_eq!(drawn.position(), 0);
}

#[test]
fn merging_a_model_is_not_undone() {
    let (model, _) = attach(model(), &["*.query"]).unwrap();
    let x = uniform::<Plain, 2>([4, 8], "x", DType::F32, &device());
    let forward = |m: &Model<Plain>| bits(m.blocks[1].query.forward(x.clone(), None));
    let before = forward(&model);
    let merged = merge_all(model).unwrap();
    assert!(
        merged
            .blocks
            .iter()
            .all(|b| b.query.is_merged() && !b.out_proj.is_merged())
    );
    let model = unmerge_all(merged).unwrap();
    assert!(model.blocks.iter().all(|b| !b.query.is_merged()));
    assert_eq!(forward(&model), before);
}

#[test]
fn bad_setting_is_accepted() {
    let good = config(Flavour::Peft, 4, 0.1);
    good.validate().unwrap();
    for (key, bad) in [
        (
            "rank",
            DoraConfig {
                rank: 0,
                ..good.clone()
            },
        ),
        (
            "alpha",
            DoraConfig {
                alpha: f64::NAN,
                ..good.clone()
            },
        ),
        (
            "alpha",
            DoraConfig {
                alpha: f64::INFINITY,
                ..good.clone()
            },
        ),
        (
            "alpha",
            DoraConfig {
                alpha: 0.0,
                ..good.clone()
            },
        ),
        (
            "alpha",
            DoraConfig {
                alpha: -1.0,
                ..good.clone()
            },
        ),
        (
            "dropout",
            DoraConfig {
                dropout: 1.0,
                ..good.clone()
            },
        ),
        (
            "dropout",
            DoraConfig {
                dropout: -0.1,
                ..good.clone()
            },
        ),
        (
            "dropout",
            DoraConfig {
                dropout: f64::NAN,
                ..good.clone()
            },
        ),
    ] {
        let message = bad.validate().unwrap_err().to_string();
        assert!(message.contains(&format!("`{key}`")), "{message}");
        let layer = DoraLinear::<Plain>::init(8, 8, true, &mut stream("w"), &device());
        assert!(layer.attach(&bad, "fc", &mut stream("init")).is_err());
    }
}

#[test]
fn config_file_keys_change_or_unknown_ones_pass() {
    let text = r#"{"flavour":"clip-hba","rank":32,"alpha":16.0,"dropout":0.1}"#;
    let config: DoraConfig = serde_json::from_str(text).unwrap();
    assert_eq!((config.flavour, config.scaling()), (Flavour::ClipHba, 0.5));
    assert_eq!(serde_json::to_string(&config).unwrap(), text);
    for bad in [
        text.replace("}", r#","r":8}"#),
        text.replace("clip-hba", "clip_hba"),
        text.replace(r#","dropout":0.1"#, ""),
    ] {
        assert!(serde_json::from_str::<DoraConfig>(&bad).is_err(), "{bad}");
    }
}

#[test]
fn keyed_dropout_ignores_key_path_or_rate() {
    let device = device();
    let x = uniform::<Plain, 3>([4, 5, 16], "x", DType::F64, &device);
    let key = DropoutKey::new(1, "dropout", 2, 3);
    let dropout = KeyedDropout::new(0.5, "mlp");
    let found = dropout.apply(x.clone(), Some(&key));
    assert_eq!(found.dtype(), DType::F64);
    let mask = key.layer("mlp").mask(0.5, 320);
    let expected: Vec<f64> = values(x.clone())
        .iter()
        .zip(&mask)
        .map(|(x, m)| x * f64::from(*m))
        .collect();
    assert_eq!(values(found.clone()), expected);
    let other = KeyedDropout::new(0.5, "attn").apply(x.clone(), Some(&key));
    assert_ne!(bits(other), bits(found));
    let same = |y: Tensor<Plain, 3>| assert_eq!(bits(y), bits(x.clone()));
    same(dropout.apply(x.clone(), None));
    same(KeyedDropout::new(0.0, "mlp").apply(x.clone(), Some(&key)));
}

fn ranks(model: &Model<Plain>) -> Vec<(String, usize, f64)> {
    let mut found = Vec::new();
    let model = model.clone();
    model
        .map_linears(&mut |path, layer| {
            if let Some(adapter) = &layer.adapter {
                let config = adapter.config();
                assert_eq!(adapter.lora_a.dims()[0], config.rank);
                found.push((path.to_owned(), config.rank, config.alpha));
            }
            Ok(layer)
        })
        .unwrap();
    found
}

#[test]
fn layer_gets_another_rank_or_alpha_than_its_pattern_has() {
    let plan = AttachPlan {
        rank_pattern: [("*.1.query".to_owned(), 2), ("*.out_proj".to_owned(), 1)].into(),
        alpha_pattern: [("blocks.1.*".to_owned(), 3.0)].into(),
        ..AttachPlan::new(
            &["*.query".to_owned(), "*.1.*".to_owned()],
            &config(Flavour::Peft, 4, 0.0),
        )
    };
    let built = AttachPlan::new(&["*.query", "*.1.*"], &config(Flavour::Peft, 4, 0.0))
        .with_rank("*.1.query", 2)
        .with_rank("*.out_proj", 1)
        .with_alpha("blocks.1.*", 3.0);
    assert_eq!(built, plan);
    let (model, attached) = dacapo_dora::attach(model(), &plan, &mut stream("init")).unwrap();
    let expected = [
        ("blocks.0.query", 4, 8.0),
        ("blocks.1.query", 2, 3.0),
        ("blocks.1.out_proj", 1, 3.0),
        ("blocks.2.query", 4, 8.0),
    ];
    let expected = expected.map(|(path, rank, alpha)| (path.to_owned(), rank, alpha));
    assert_eq!(ranks(&model), expected);
    assert_eq!(attached, expected.map(|(path, ..)| path));
}

#[test]
fn pattern_of_ranks_is_passed_over() {
    let plan = |targets: &str, ranks: &[(&str, usize)]| AttachPlan {
        rank_pattern: ranks.iter().map(|(p, r)| ((*p).to_owned(), *r)).collect(),
        ..AttachPlan::new(&[targets.to_owned()], &config(Flavour::Peft, 4, 0.0))
    };
    let refused = |plan: &AttachPlan| {
        let mut stream = stream("init");
        let error = dacapo_dora::attach(model(), plan, &mut stream).unwrap_err();
        assert_eq!(stream.position(), 0);
        error
    };
    // A layer that gets no adapter.
    let error = refused(&plan("*.query", &[("head", 2)]));
    assert!(matches!(error, DoraError::UnmatchedPattern { pattern, .. } if pattern == "head"));
    let error = refused(&plan("*.query", &[("*.0.query", 2), ("*.query", 3)]));
    let message = error.to_string();
    assert!(
        message.contains("`blocks.0.query`") && message.contains("rank_pattern"),
        "{message}"
    );
    // One that two patterns give the same is no contradiction.
    let same = plan("*.query", &[("*.0.query", 2), ("*.query", 2)]);
    dacapo_dora::attach(model(), &same, &mut stream("init")).unwrap();
    assert!(
        refused(&plan("*.query", &[("*.1.query", 0)]))
            .to_string()
            .contains("`rank`")
    );
    assert!(matches!(
        refused(&plan("*.query", &[("*.2.query", 9)])),
        DoraError::RankTooLarge { rank: 9, .. }
    ));
}
