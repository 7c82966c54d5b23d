use dacapo::trainer::RunFolder;
use dacapo_tests::{Settings, assert_same_run};

use super::on_ranks::{Seen, set_up, states, train};

/// As much as depends on a shard: dropout of both kinds, augmentation, noise on a part of the steps,
/// accumulation. Of the last micro-batch of an epoch the third shard has one image, the fourth none.
fn everything(shards: usize) -> Settings {
    Settings::small()
        .set("train.virtual_shards", shards)
        .set("data.limit", 37)
        .set("train.batch_size", 8)
        .set("train.accumulation", 2)
        .set("adapt.dropout", 0.2)
        .set("model.vit.dropout", 0.1)
        .set("data.augment", "shift")
        .set("optimizer.clip_norm", 0.5)
        .set(
            "perturbation",
            r#"{ kind = "image-noise", first_step = 3, steps = 2, seed = 5 }"#,
        )
}

#[test]
fn number_of_ranks_bends_the_run() {
    let temp = tempfile::tempdir().expect("a folder");
    for shards in [4, 8] {
        let settings = everything(shards);
        let at = |size: usize| temp.path().join(format!("{shards}-{size}"));
        let alone = train(&settings, &at(1), 1, None);
        assert_eq!(alone.losses.len(), 9);
        assert_eq!(states(&at(1)).len(), 10, "one before the first step, too");
        // Of 8 shards, three ranks have 2, 3 and 3.
        for size in [2, 3, 4, 8].into_iter().filter(|size| *size <= shards) {
            let together = train(&settings, &at(size), size, None);
            assert_eq!(together, alone, "{shards} shards on {size} ranks");
            assert_eq!(states(&at(size)), states(&at(1)));
            assert_same_run(&at(size), &at(1));
        }
    }
}

#[test]
fn run_that_goes_on_on_other_ranks_bends() {
    let temp = tempfile::tempdir().expect("a folder");
    let settings = everything(4);
    let whole = temp.path().join("whole");
    let alone = train(&settings, &whole, 1, None);

    let parts = temp.path().join("parts");
    let mut losses = Vec::new();
    for (size, stop) in [
        (4, Some(2)),
        (1, Some(3)),
        (2, Some(5)),
        (3, Some(8)),
        (2, None),
    ] {
        losses.extend(train(&settings, &parts, size, stop).losses);
    }
    assert_eq!(losses, alone.losses);
    assert_eq!(states(&parts), states(&whole));
    assert_same_run(&parts, &whole);
}

#[test]
fn shard_counts_for_more_or_less_than_its_examples() {
    let temp = tempfile::tempdir().expect("a folder");
    // Nothing random in it, so that only the order of additions is another.
    let settings = |shards: usize| {
        Settings::small()
            .set("train.virtual_shards", shards)
            .set("data.limit", 37)
            .set("train.batch_size", 8)
            .set("train.accumulation", 2)
    };
    let run = |shards: usize| {
        let folder = temp.path().join(shards.to_string());
        let Seen { losses, state, .. } = train(&settings(shards), &folder, 1, None);
        let losses = losses.into_iter().map(f64::from_bits);
        (losses.collect::<Vec<_>>(), state)
    };
    let (whole, state) = run(1);
    for shards in [2, 4, 8] {
        let (sharded, other) = run(shards);
        assert_ne!(other, state, "{shards} shards make another run");
        for (step, (whole, sharded)) in whole.iter().zip(&sharded).enumerate() {
            let apart = (whole - sharded).abs() / whole;
            assert!(apart < 1e-5, "step {step}: {whole} and {sharded}");
        }
    }
}

#[test]
fn resumed_run_has_other_shards() {
    let temp = tempfile::tempdir().expect("a folder");
    train(&everything(4), temp.path(), 1, Some(2));
    let record = RunFolder::new(temp.path()).load_latest();
    let record = record.expect("a whole checkpoint").expect("one");
    for shards in [1, 2, 8] {
        let resumed = set_up(&everything(shards), Some(record.clone()));
        let message = resumed.err().expect("another run").to_string();
        assert!(message.contains("identity.config_hash"), "{message}");
    }
}
