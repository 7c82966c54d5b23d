//! Schedules beside `torch.optim.lr_scheduler` (`golden/schedules.py`), and
//! their edges.

use burn::record::{HalfPrecisionSettings, NamedMpkBytesRecorder, Recorder};
use burn_flex::{Flex, FlexDevice};
use dacapo_optim::{OptimError, Schedule, ScheduleConfig, Scheduler, SchedulerRecord};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    schedule: ScheduleConfig,
    reference: String,
    factors: Vec<f64>,
}

#[test]
fn factors_leave_pytorchs() {
    let golden: Golden = serde_json::from_str(include_str!("golden/schedules.json")).unwrap();
    assert_eq!(golden.cases.len(), 9);
    for case in golden.cases {
        let schedule = case.schedule.resolved(1).unwrap();
        for (position, expected) in case.factors.iter().enumerate() {
            let factor = schedule.factor(position as u64);
            // PyTorch's chained form multiplies step by step and so gathers rounding.
            assert!(
                (factor - expected).abs() <= 1e-12,
                "{} {schedule:?} at {position}: {factor} is not {expected}",
                case.reference
            );
        }
    }
}

#[test]
fn cosine_rises_again_after_its_end() {
    let cosine = Schedule::Cosine {
        total: 10,
        min_factor: 0.25,
    };
    for position in [10, 11, 15, 20, u64::MAX] {
        assert_eq!(cosine.factor(position), 0.25);
    }
}

#[test]
fn warmup_starts_at_a_zero_rate_or_overshoots() {
    let warmup = Schedule::LinearWarmup { warmup: 4 };
    let factors: Vec<f64> = (0..6).map(|t| warmup.factor(t)).collect();
    assert_eq!(factors, [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]);
    assert_eq!(Schedule::LinearWarmup { warmup: 0 }.factor(0), 1.0);
}

#[test]
fn absent_total_is_not_the_runs_length() {
    let config: ScheduleConfig =
        serde_json::from_str(r#"{"kind": "warmup_cosine", "warmup": 3}"#).unwrap();
    config.validate().unwrap();
    assert_eq!(
        config.resolved(12).unwrap(),
        Schedule::WarmupCosine {
            warmup: 3,
            total: 12,
            min_factor: 0.0
        }
    );
    let error = config.resolved(3).unwrap_err().to_string();
    assert!(
        error.contains("scheduler.warmup") && error.contains("total of 3"),
        "{error}"
    );
}

#[test]
fn schedule_out_of_range_is_accepted() {
    for (json, key) in [
        (r#"{"kind":"cosine","total":0}"#, "scheduler.total"),
        (
            r#"{"kind":"cosine","min_factor":1.5}"#,
            "scheduler.min_factor",
        ),
        (
            r#"{"kind":"cosine","min_factor":-0.1}"#,
            "scheduler.min_factor",
        ),
        (
            r#"{"kind":"warmup_cosine","warmup":5,"total":5}"#,
            "scheduler.warmup",
        ),
        (
            r#"{"kind":"step","every":0,"gamma":0.5}"#,
            "scheduler.every",
        ),
        (
            r#"{"kind":"step","every":1,"gamma":0.0}"#,
            "scheduler.gamma",
        ),
        (r#"{"kind":"exponential","gamma":-1.0}"#, "scheduler.gamma"),
    ] {
        let config: ScheduleConfig = serde_json::from_str(json).unwrap();
        match config.validate().unwrap_err() {
            OptimError::InvalidValue { key: found, .. } => assert_eq!(found, key, "{json}"),
            other => panic!("{json}: {other}"),
        }
    }
    let nan = ScheduleConfig::Exponential { gamma: f64::NAN };
    assert!(nan.validate().is_err());
}

#[test]
fn unknown_schedule_key_is_ignored() {
    for json in [
        r#"{"kind":"constant","warmup":3}"#,
        r#"{"kind":"linear_warmup","warmup":3,"totl":5}"#,
        r#"{"kind":"linear_warmup"}"#,
        r#"{"kind":"linear"}"#,
        r#"{"warmup":3}"#,
    ] {
        assert!(
            serde_json::from_str::<ScheduleConfig>(json).is_err(),
            "{json}"
        );
    }
    // A record leaves nothing to a default.
    for json in [
        r#"{"config":{"kind":"cosine","total":5},"position":1}"#,
        r#"{"config":{"kind":"cosine","min_factor":0.0},"position":1}"#,
        r#"{"config":{"kind":"constant"}}"#,
        r#"{"config":{"kind":"constant"},"position":1,"extra":0}"#,
    ] {
        assert!(
            serde_json::from_str::<SchedulerRecord>(json).is_err(),
            "{json}"
        );
    }
}

#[test]
fn resume_takes_another_schedule() {
    let schedule = Schedule::Step {
        every: 2,
        gamma: 0.5,
    };
    let record = Scheduler::new(schedule).unwrap().to_record();
    let other = Schedule::Step {
        every: 2,
        gamma: 0.25,
    };
    match Scheduler::from_record(&record, &other).unwrap_err() {
        OptimError::ConfigMismatch {
            key,
            expected,
            found,
        } => {
            assert_eq!(
                (key.as_str(), expected.as_str(), found.as_str()),
                ("scheduler.gamma", "0.5", "0.25")
            );
        }
        error => panic!("{error}"),
    }
    let error = Scheduler::from_record(&record, &Schedule::Constant {}).unwrap_err();
    assert!(error.to_string().contains("scheduler.kind"), "{error}");
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        Just(Schedule::Constant {}),
        (0..50u64).prop_map(|warmup| Schedule::LinearWarmup { warmup }),
        (1..500u64, 0.0..=1.0)
            .prop_map(|(total, min_factor)| Schedule::Cosine { total, min_factor }),
        (0..50u64, 1..500u64, 0.0..=1.0).prop_map(|(warmup, more, min_factor)| {
            Schedule::WarmupCosine {
                warmup,
                total: warmup + more,
                min_factor,
            }
        }),
        (1..50u64, 0.01..1.0).prop_map(|(every, gamma)| Schedule::Step { every, gamma }),
        (0.5..1.0).prop_map(|gamma| Schedule::Exponential { gamma }),
    ]
}

proptest! {
    #[test]
    fn factor_leaves_the_unit_interval(schedule in any_schedule(), position in 0..2000u64) {
        let factor = schedule.factor(position);
        prop_assert!((0.0..=1.0).contains(&factor), "{factor}");
    }

    #[test]
    fn resumed_scheduler_repeats_a_tick(schedule in any_schedule(), before in 0..300u64, after in 0..300u64) {
        let mut whole = Scheduler::new(schedule).unwrap();
        (0..before).for_each(|_| whole.tick());
        // Not through JSON: serde_json reads some doubles an ulp off.
        let recorder = NamedMpkBytesRecorder::<HalfPrecisionSettings>::default();
        let bytes = Recorder::<Flex>::record(&recorder, whole.to_record(), ()).unwrap();
        let record: SchedulerRecord = Recorder::<Flex>::load(&recorder, bytes, &FlexDevice).unwrap();
        let mut resumed = Scheduler::from_record(&record, &schedule).unwrap();
        for _ in 0..after {
            whole.tick();
            resumed.tick();
        }
        prop_assert_eq!(resumed, whole);
        prop_assert_eq!(resumed.position(), before + after);
        prop_assert_eq!(resumed.factor().to_bits(), whole.factor().to_bits());
    }
}
