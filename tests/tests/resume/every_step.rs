//! A stop after every single step in turn, one test for each kind of state.

use dacapo_tests::{Settings, adamw};

use super::harmless::{assert_setting_survives_stops, assert_stops_are_harmless};

#[test]
fn stop_bends_the_plain_run() {
    let whole = assert_stops_are_harmless(&Settings::small());
    assert_eq!((whole.epochs(), whole.steps()), (3, 9));
}

#[test]
fn stop_bends_the_clip_hba_flavour() {
    let settings = Settings::small().set("adapt.flavour", "clip-hba");
    assert_setting_survives_stops(&settings);
}

#[test]
fn stop_loses_the_adapters_dropout_masks() {
    let settings = Settings::small().set("adapt.dropout", 0.3);
    assert_setting_survives_stops(&settings);
}

#[test]
fn stop_loses_the_clip_hba_dropout_masks() {
    let settings = Settings::small()
        .set("adapt.flavour", "clip-hba")
        .set("adapt.dropout", 0.3);
    assert_setting_survives_stops(&settings);
}

#[test]
fn stop_loses_the_transformers_dropout_masks() {
    let settings = Settings::small().set("model.vit.dropout", 0.2);
    assert_setting_survives_stops(&settings);
}

#[test]
fn stop_rewinds_the_augmentation_stream() {
    let whole = assert_setting_survives_stops(&Settings::small().set("data.augment", "shift"));
    let streams = whole.sandbox.latest("whole").rng.streams;
    assert!(
        streams["augment"].position > 0,
        "the stream was never drawn from"
    );
}

#[test]
fn stop_bends_a_run_without_shuffling() {
    assert_setting_survives_stops(&Settings::small().set("train.shuffle", false));
}

#[test]
fn stop_bends_the_constant_schedule() {
    assert_setting_survives_stops(&schedule("constant"));
}

#[test]
fn stop_restarts_the_linear_warmup() {
    assert_setting_survives_stops(&schedule("linear_warmup").set("scheduler.warmup", 7));
}

#[test]
fn stop_restarts_the_cosine() {
    assert_setting_survives_stops(&schedule("cosine"));
}

#[test]
fn stop_restarts_the_warmup_before_the_cosine() {
    let settings = schedule("warmup_cosine")
        .set("scheduler.warmup", 4)
        .set("scheduler.min_factor", 0.1);
    assert_setting_survives_stops(&settings);
}

#[test]
fn stop_forgets_steps_of_the_step_schedule() {
    let settings = schedule("step")
        .set("scheduler.every", 2)
        .set("scheduler.gamma", 0.5);
    assert_setting_survives_stops(&settings);
}

#[test]
fn stop_forgets_steps_of_the_exponential_schedule() {
    assert_setting_survives_stops(&schedule("exponential").set("scheduler.gamma", 0.8));
}

#[test]
fn stop_moves_a_schedule_that_counts_epochs() {
    let settings = schedule("step")
        .set("scheduler.every", 1)
        .set("scheduler.gamma", 0.1)
        .set("train.schedule_unit", "epoch");
    let whole = assert_setting_survives_stops(&settings);
    assert_eq!(whole.sandbox.latest("whole").scheduler.position, 3);

    let cosine = schedule("cosine").set("train.schedule_unit", "epoch");
    assert_setting_survives_stops(&cosine);
}

#[test]
fn stop_loses_the_momentum_of_sgd() {
    let settings = Settings::small()
        .set("optimizer.kind", "sgd")
        .set("optimizer.lr", 0.05)
        .set("optimizer.momentum", 0.9)
        .set("optimizer.nesterov", true);
    let whole = assert_setting_survives_stops(&settings);
    let record = whole.sandbox.latest("whole");
    let sgd = record.optimizer.sgd().expect("as configured");
    assert!(
        sgd.params
            .values()
            .all(|state| state.momentum_buffer.is_some())
    );
}

#[test]
fn stop_splits_an_accumulated_step() {
    // 40 = 2 x (4 x 5): every group is complete.
    let settings = Settings::small()
        .set("train.batch_size", 5)
        .set("train.accumulation", 4);
    assert_eq!(assert_setting_survives_stops(&settings).steps(), 6);
}

#[test]
fn stop_splits_an_incomplete_last_group() {
    // 40 = 3 x (2 x 6) + 4: the last group has one micro-batch, and that is incomplete.
    // Dropout tells the micro-batches of a step apart.
    let settings = Settings::small()
        .set("train.batch_size", 6)
        .set("train.accumulation", 2)
        .set("adapt.dropout", 0.1);
    assert_eq!(assert_setting_survives_stops(&settings).steps(), 12);
}

#[test]
fn stop_revives_moments_that_an_epoch_reset() {
    let settings = Settings::small().set("train.reset_optimizer", "every-epoch");
    let whole = assert_setting_survives_stops(&settings);
    let mut record = whole.sandbox.latest("whole");
    let moments = &adamw(&mut record).params;
    assert!(
        moments.values().all(|moments| moments.step == 3),
        "the optimizer was not reset at the last epoch's start"
    );
}

#[test]
fn stop_loses_amsgrad_groups_or_clipping() {
    let decay = r#"{ pattern = "*.lora_a", lr = 1e-3, weight_decay = 0.0 }"#;
    let head = r#"{ pattern = "head.*", beta1 = 0.8, beta2 = 0.9, amsgrad = false }"#;
    let settings = Settings::small()
        .set("optimizer.amsgrad", true)
        .set("optimizer.groups", format!("[{decay}, {head}]"))
        .set("optimizer.clip_norm", 0.05)
        .set("optimizer.clip_value", 0.01);
    let whole = assert_setting_survives_stops(&settings);
    let mut record = whole.sandbox.latest("whole");
    let moments = &adamw(&mut record).params;
    let amsgrad = |moments: &dacapo::optim::MomentsRecord| moments.max_exp_avg_sq.is_some();
    assert!(moments.values().any(amsgrad));
    assert!(!moments.values().all(amsgrad));
}

#[test]
fn stop_resets_the_patience_of_early_stopping() {
    let settings = Settings::small()
        .set("run.seed", 2)
        .set("optimizer.lr", 0.01)
        .set("scheduler.kind", "constant")
        .set("train.epochs", 15)
        .set("early_stopping.patience", 2);
    let whole = assert_setting_survives_stops(&settings);
    assert_eq!(whole.summary["outcome"], "stopped_early");
    assert!(whole.epochs() < 15);
    let stopping = whole.sandbox.latest("whole").early_stopping;
    assert!(stopping.triggered);
    assert_eq!(stopping.epochs_without_improvement, 2);
    let best = stopping.best_epoch.expect("an epoch was the best");
    assert!(best > 1 && best + 2 == whole.epochs(), "{stopping:?}");
}

#[test]
fn stop_loses_the_best_value_of_a_metric_to_maximise() {
    let settings = Settings::small()
        .set("early_stopping.monitor", "valid_accuracy")
        .set("early_stopping.direction", "max")
        .set("early_stopping.patience", 2)
        .set("early_stopping.min_delta", 0.01)
        .set("train.epochs", 8);
    let whole = assert_setting_survives_stops(&settings);
    assert_eq!(whole.summary["outcome"], "stopped_early");
}

#[test]
fn stop_loses_running_statistics() {
    let settings = Settings::small_conv_net().set("model.conv_net.dropout", 0.2);
    let whole = assert_setting_survives_stops(&settings);
    assert_buffers_moved(&whole);
}

#[test]
fn stop_loses_running_statistics_of_a_frozen_net() {
    let settings = Settings::small_conv_net()
        .set("adapt.mode", "dora")
        .set("adapt.targets", r#"["head"]"#);
    let whole = assert_setting_survives_stops(&settings);
    assert_buffers_moved(&whole);
}

#[track_caller]
fn assert_buffers_moved(whole: &super::harmless::Whole) {
    let first = whole.sandbox.record("whole", "step-00000000").buffers;
    let last = whole.sandbox.latest("whole").buffers;
    assert!(!last.is_empty());
    for (path, data) in last {
        assert_ne!(first[&path], data, "{path} never moved");
    }
}

#[test]
fn stop_bends_full_fine_tuning() {
    assert_setting_survives_stops(&Settings::small().set("adapt.mode", "full"));
}

#[test]
fn stop_miscounts_a_dropped_batch() {
    let whole = assert_setting_survives_stops(&Settings::small().set("train.drop_last", true));
    assert_eq!(whole.steps(), 6);
}

#[test]
fn checkpoint_after_every_step_bends_the_run() {
    let plain = super::harmless::Whole::run(&Settings::small());
    for keep_last in [1, 3] {
        let settings = Settings::small()
            .set("checkpoint.every_steps", 1)
            .set("checkpoint.keep_last", keep_last);
        let whole = assert_stops_are_harmless(&settings);
        dacapo_tests::assert_same_run(&plain.sandbox.path("whole"), &whole.sandbox.path("whole"));
    }
}

#[test]
fn stop_bends_everything_at_once() {
    let whole = assert_setting_survives_stops(&super::several_stops::everything());
    assert_eq!(whole.epochs(), 3);
}

fn schedule(kind: &str) -> Settings {
    Settings::small().set("scheduler.kind", kind)
}
