//! Serde takes an absent `Option`, or a field with a default, for its default, and an f32
//! for an f64: a damaged checkpoint was read as if it were whole.

use std::path::Path;

use dacapo::trainer::from_payload;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct State {
    best: Option<f64>,
    #[serde(default)]
    patience: u64,
    sum: f64,
}

#[derive(Serialize)]
struct Wrapped<I> {
    metadata: (),
    item: I,
    _b: (),
}

fn read<I: Serialize>(item: I) -> Result<State, String> {
    let wrapped = Wrapped {
        metadata: (),
        item,
        _b: (),
    };
    let payload = rmp_serde::to_vec_named(&wrapped).expect("it serialises");
    from_payload(Path::new("file.mpk"), &payload).map_err(|error| error.to_string())
}

#[test]
fn absent_leaf_was_filled_in() {
    #[derive(Serialize)]
    struct WithoutBest {
        patience: u64,
        sum: f64,
    }
    let error = read(WithoutBest {
        patience: 3,
        sum: 0.5,
    });
    let error = error.expect_err("`best` is absent");
    assert!(error.contains("`best`: expected a complete record, found nothing in file.mpk"));

    #[derive(Serialize)]
    struct WithoutPatience {
        best: Option<f64>,
        sum: f64,
    }
    let error = read(WithoutPatience {
        best: None,
        sum: 0.5,
    });
    assert!(error.expect_err("absent").contains("`patience`"));

    #[derive(Serialize)]
    struct Narrow {
        best: Option<f64>,
        patience: u64,
        sum: f32,
    }
    let error = read(Narrow {
        best: None,
        patience: 0,
        sum: 0.5,
    });
    assert!(error.expect_err("an f32").contains("`sum`"));

    let whole = State {
        best: None,
        patience: 0,
        sum: 0.5,
    };
    assert_eq!(
        read(&whole),
        Ok(State {
            best: None,
            patience: 0,
            sum: 0.5
        })
    );
}
