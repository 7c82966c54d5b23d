//! Errors of a walk through a value.

mod common;

use common::{assert_says, golden};
use dacapo_pth::{Node, PthError, PthFile};

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(
    action: impl FnOnce(Node<'_>) -> Result<T, PthError>,
    says: &[&str],
) {
    let file = PthFile::open(golden("checkpoint.pth")).unwrap();
    let message = action(file.root()).unwrap_err().to_string();
    assert_says(&message, &["checkpoint.pth: "]);
    assert_says(&message, says);
}

#[test]
fn error_does_not_say_where_the_value_is() {
    assert_refused(
        |root| {
            let state = root.get("optimizer_state_dict")?.get("state")?;
            state.get(3)?.get("exp_avg")?.float()
        },
        &["optimizer_state_dict.state[3].exp_avg: expected a float, found a tensor"],
    );
    assert_refused(
        |root| {
            root.get("python_rng_state")?.items()?[1].items()?[7]
                .tensor()
                .cloned()
        },
        &["python_rng_state[1][7]: expected a tensor, found an integer"],
    );
}

#[test]
fn missing_key_leaves_the_user_guessing() {
    assert_refused(
        |root| root.get("optimizer_state_dict")?.get("states").map(drop),
        &[
            "optimizer_state_dict: expected a dict with the key \"states\"",
            "2 keys: \"state\"",
        ],
    );
    assert_refused(
        |root| root.get("optimizer").map(drop),
        &[
            "the file's value: expected a dict with the key \"optimizer\"",
            "9 keys",
        ],
    );
}

#[test]
fn one_kind_passes_for_another() {
    assert_refused(
        |root| root.get("epoch")?.bool(),
        &["epoch: expected a bool"],
    );
    assert_refused(
        |root| root.get("epoch")?.str().map(str::len),
        &["expected a string"],
    );
    assert_refused(
        |root| root.get("epoch")?.bytes().map(<[u8]>::len),
        &["expected a byte string"],
    );
    assert_refused(
        |root| root.get("epoch")?.get(1).map(drop),
        &["epoch: expected a dict, found an integer"],
    );
    assert_refused(
        |root| root.get("epoch")?.items().map(drop),
        &["expected a list or a tuple"],
    );
    assert_refused(
        |root| root.get("epoch")?.numpy_array().cloned(),
        &["expected a numpy array"],
    );
    assert_refused(|root| root.int(), &["expected an integer, found a dict"]);
}
