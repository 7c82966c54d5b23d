//! Settings, from a file or `--set`, that cannot be.

use dacapo_tests::{Settings, sandbox};

use crate::telling::assert_refused;

/// A setting and what the message about it must contain.
type Case = (&'static str, &'static str, &'static [&'static str]);

#[track_caller]
fn assert_settings_refused(cases: &[Case]) {
    let sandbox = sandbox!();
    for (key, value, needles) in cases {
        let settings = Settings::small().set(key, value);
        assert_refused(&sandbox, settings.train("run"), needles);
    }
}

#[test]
fn unknown_key_is_ignored() {
    assert_settings_refused(&[
        (
            "optimiser.lr",
            "1e-3",
            &["unknown field `optimiser`", "docs/config.md"],
        ),
        (
            "optimizer.learning_rate",
            "1e-3",
            &["at `optimizer", "`learning_rate`"],
        ),
        (
            "data.augment",
            "\"flip\"",
            &["data.augment", "`flip`", "`shift`"],
        ),
        (
            "scheduler.kind",
            "poly",
            &["scheduler.kind", "`poly`", "`cosine`"],
        ),
        ("scheduler.gamma", "0.5", &["scheduler", "`gamma`"]),
        (
            "adapt.flavour",
            "qlora",
            &["adapt.flavour", "`qlora`", "`clip-hba`"],
        ),
        (
            "checkpoint.every",
            "1",
            &["checkpoint", "`every`", "`every_steps`"],
        ),
    ]);
}

#[test]
fn value_of_another_type_is_converted() {
    assert_settings_refused(&[
        ("optimizer.lr", "fast", &["optimizer.lr", "fast"]),
        ("optimizer.amsgrad", "1", &["optimizer.amsgrad", "bool"]),
        ("train.epochs", "-1", &["train.epochs", "-1"]),
        ("train.epochs", "2.5", &["train.epochs", "2.5"]),
        ("train.batch_size", "[16]", &["train.batch_size"]),
        ("data.classes", "[300]", &["data.classes", "300"]),
        ("adapt.targets", "\"head\"", &["adapt.targets", "sequence"]),
        ("run.seed", "-1", &["run.seed", "-1"]),
    ]);
}

#[test]
fn assignment_without_form_is_taken() {
    let sandbox = sandbox!();
    for (assignment, needle) in [
        ("optimizer.lr", "there is no `=`"),
        ("optimizer..lr=1", "an empty part"),
        ("=1", "an empty part"),
        // Deeper than a stack, and what a terminal would obey.
        (
            &format!("{}=1", vec!["a"; 60_000].join(".")),
            "at most 16 parts",
        ),
        (
            "optimizer.\u{1b}[2J",
            "optimizer.\\u{1b}[2J: there is no `=`",
        ),
    ] {
        let mut args = Settings::small().train("run");
        args.extend(["--set", assignment].map(str::to_owned));
        assert_refused(&sandbox, args, &[needle, "Write it as key=value"]);
    }
}

#[test]
fn precision_that_the_cpu_lacks_is_ignored() {
    assert_settings_refused(&[
        (
            "run.precision",
            "tf32",
            &["run.precision = tf32", "--device cuda:0", "\"f32\""],
        ),
        ("run.precision", "bf16", &["run.precision = bf16"]),
        (
            "run.precision",
            "f16",
            &["run.precision", "`f16`", "`bf16`"],
        ),
    ]);
}

#[test]
fn adapter_setting_out_of_range_is_used() {
    assert_settings_refused(&[
        (
            "adapt.rank",
            "0",
            &["`rank`", "at least 1", "found 0", "correct it"],
        ),
        (
            "adapt.rank",
            "17",
            &["rank 17", "`blocks.0.attn.query`", "16 -> 16", "at most 16"],
        ),
        (
            "adapt.alpha",
            "nan",
            &["`alpha`", "finite", "NaN", "correct it"],
        ),
        ("adapt.alpha", "inf", &["`alpha`", "finite", "inf"]),
        ("adapt.alpha", "-1.0", &["`alpha`", "above 0", "-1"]),
        (
            "adapt.dropout",
            "1.0",
            &["`dropout`", "dropout < 1", "found 1"],
        ),
        (
            "adapt.targets",
            "[\"*.atn.*\"]",
            &["`*.atn.*` matches none", "blocks.0.attn.query"],
        ),
        (
            "adapt.targets",
            "[]",
            &["at least one", "blocks.0.attn.query"],
        ),
    ]);
}

#[test]
fn optimizer_setting_out_of_range_is_used() {
    assert_settings_refused(&[
        ("optimizer.lr", "nan", &["`lr`", "finite", "NaN"]),
        ("optimizer.lr", "-1e-3", &["`lr`", ">= 0"]),
        ("optimizer.beta1", "1.0", &["`beta1`", "[0, 1)"]),
        ("optimizer.eps", "0.0", &["`eps`", "> 0"]),
        ("optimizer.clip_norm", "0.0", &["`clip_norm`", "> 0"]),
        (
            "optimizer.groups",
            "[{ pattern = \"*.lora_c\", lr = 1e-2 }]",
            &["groups[0].pattern", "`*.lora_c`", "head.adapter.lora_a"],
        ),
    ]);
}

#[test]
fn schedule_that_does_not_fit_the_run_is_used() {
    assert_settings_refused(&[
        (
            "scheduler.warmup",
            "9",
            &["scheduler.warmup", "total of 9", "found 9"],
        ),
        ("scheduler.min_factor", "2.0", &["scheduler.min_factor"]),
        ("scheduler.total", "0", &["scheduler.total"]),
    ]);
}

#[test]
fn size_that_does_not_fit_is_used() {
    assert_settings_refused(&[
        (
            "train.batch_size",
            "41",
            &["train.batch_size", "40", "smaller batch"],
        ),
        (
            "train.batch_size",
            "0",
            &["train.batch_size", "between 1 and"],
        ),
        (
            "train.accumulation",
            "0",
            &["train.accumulation", "at least 1"],
        ),
        ("train.epochs", "0", &["train.epochs", "at least 1"]),
        ("early_stopping.patience", "0", &["early_stopping.patience"]),
        (
            "early_stopping.min_delta",
            "nan",
            &["early_stopping.min_delta"],
        ),
        (
            "model.vit.heads",
            "3",
            &["`heads`", "divisor of d_model = 16"],
        ),
        ("model.vit.patch_size", "3", &["`patch_size`", "divisor"]),
        ("model.vit.blocks", "0", &["`blocks`", "at least 1"]),
        ("model.vit.dropout", "1.0", &["`dropout`"]),
    ]);
}

#[test]
fn empty_data_is_trained_on() {
    assert_settings_refused(&[
        ("data.classes", "[11]", &["{11}", "classes"]),
        ("data.classes", "[1, 11]", &["{11}", "classes"]),
        ("data.name", "\"letters\"", &["\"letters\"", "\"digits\""]),
        (
            "data.valid_fraction",
            "0.98",
            &["valid_fraction", "fraction"],
        ),
        (
            "data.valid_fraction",
            "0.969",
            &["`train` part", "fraction"],
        ),
        ("data.valid_fraction", "nan", &["valid_fraction", "NaN"]),
        (
            "data.valid_fraction",
            "0.0",
            &["valid", "data.valid_fraction"],
        ),
        ("data.test_fraction", "0.0", &["test", "data.test_fraction"]),
    ]);
}
