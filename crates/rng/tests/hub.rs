//! The hub and its record.

use dacapo_rng::{ALGORITHM, RngError, RngHub, RngRecord, Stream};
use proptest::prelude::*;

const NAMES: [&str; 3] = ["init", "shuffle", "dropout"];

#[test]
fn unknown_stream_is_silently_created() {
    let mut hub = RngHub::new(1, &NAMES);
    let error = hub.stream("shufle").expect_err("not registered");
    assert_eq!(
        error.to_string(),
        "random stream `shufle` is not registered; the hub holds `dropout`, `init`, `shuffle`. \
         Register it in `RngHub::new`, or correct the name"
    );
    let mut empty = RngHub::new(1, &[]);
    let error = empty.stream("init").expect_err("not registered");
    assert!(error.to_string().contains("holds no stream"), "{error}");
}

#[test]
fn one_stream_disturbs_another() {
    let mut hub = RngHub::new(1, &NAMES);
    for _ in 0..10 {
        hub.stream("shuffle").expect("registered").next_u64();
    }
    let drawn = hub.stream("init").expect("registered").next_u64();
    assert_eq!(drawn, Stream::named(1, "init").next_u64());
}

#[test]
fn micro_batches_share_draws_or_move_the_hub() {
    let hub = RngHub::new(1, &NAMES);
    let mut drawn = Vec::new();
    for (step, micro_batch) in [(1, 0), (1, 1), (2, 0), (0, 1)] {
        let mut streams = hub.of_micro_batch(step, micro_batch);
        assert!(streams.stream("augment").is_err(), "an unknown name");
        for name in NAMES {
            drawn.push(streams.stream(name).expect("registered").next_u64());
        }
        let mut again = hub.of_micro_batch(step, micro_batch);
        let last = again.stream(NAMES[2]).expect("registered").next_u64();
        assert_eq!(drawn.last(), Some(&last));
    }
    drawn.extend(NAMES.map(|name| Stream::named(1, name).next_u64()));
    drawn.extend(NAMES.map(|name| Stream::keyed(1, name, 1).next_u64()));
    let count = drawn.len();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), count, "two streams of one key");
    assert_eq!(hub, RngHub::new(1, &NAMES));
}

#[test]
fn order_of_registration_matters() {
    let forwards = RngHub::new(1, &["a", "b"]);
    assert_eq!(forwards, RngHub::new(1, &["b", "a", "b"]));
    assert_eq!(forwards.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(forwards.seed(), 1);
}

#[test]
fn another_generators_record_is_accepted() {
    let mut record = RngHub::new(1, &NAMES).to_record();
    record.algorithm = "mt19937".to_owned();
    let error = RngHub::from_record(&record).expect_err("another algorithm");
    assert!(matches!(error, RngError::Algorithm { .. }));
    let text = error.to_string();
    assert!(
        text.contains(ALGORITHM) && text.contains("mt19937"),
        "{text}"
    );
}

#[test]
fn altered_seed_is_accepted() {
    let mut record = RngHub::new(1, &NAMES).to_record();
    record.seed = 2;
    let error = RngHub::from_record(&record).expect_err("altered seed");
    assert!(
        matches!(&error, RngError::KeyMismatch { stream, seed: 2, .. } if stream == "dropout"),
        "{error}"
    );
}

#[test]
fn renamed_stream_is_accepted() {
    let mut record = RngHub::new(1, &NAMES).to_record();
    let moved = record.streams.remove("init").expect("registered");
    record.streams.insert("tini".to_owned(), moved);
    let error = RngHub::from_record(&record).expect_err("renamed stream");
    assert!(
        error.to_string().contains("rng.streams.tini.key"),
        "{error}"
    );
}

#[test]
fn missing_or_extra_stream_is_accepted() {
    let hub = RngHub::new(1, &["init", "shuffle"]);
    assert_eq!(hub.expect_streams(&["shuffle", "init"]), Ok(()));
    let error = hub.expect_streams(&NAMES).expect_err("dropout is missing");
    assert!(
        matches!(&error, RngError::MissingStream { stream, .. } if stream == "dropout"),
        "{error}"
    );
    let error = hub.expect_streams(&["init"]).expect_err("shuffle is extra");
    assert!(
        matches!(&error, RngError::UnexpectedStream { stream, .. } if stream == "shuffle"),
        "{error}"
    );
}

#[test]
fn unknown_or_missing_key_of_a_record_is_ignored() {
    let text = serde_json::to_string(&RngHub::new(1, &["init"]).to_record()).expect("writes");
    let extra = text.replacen("\"seed\"", "\"spare\":0,\"seed\"", 1);
    let inner = text.replacen("\"position\"", "\"spare\":0,\"position\"", 1);
    let missing = text.replacen(",\"position\":0", "", 1);
    for altered in [extra, inner, missing] {
        assert_ne!(altered, text);
        assert!(
            serde_json::from_str::<RngRecord>(&altered).is_err(),
            "{altered}"
        );
    }
}

proptest! {
    #[test]
    fn a_record_loses_state(
        seed: u64,
        names in prop::collection::vec("[a-z.]{1,8}", 1..5),
        draws in 0_usize..40,
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut hub = RngHub::new(seed, &names);
        for i in 0..draws {
            hub.stream(names[i % names.len()]).expect("registered").next_u64();
        }
        let text = serde_json::to_string(&hub.to_record()).expect("writes");
        let record: RngRecord = serde_json::from_str(&text).expect("reads");
        prop_assert_eq!(&record, &hub.to_record());
        prop_assert_eq!(RngHub::from_record(&record).expect("a good record"), hub);
    }
}
