//! `ablation.json`: what must be refused, and what must not.

mod common;

use common::ablation;
use dacapo_report::{Ablation, html};
use serde_json::{Value, json};

fn text() -> Value {
    serde_json::to_value(ablation().ablation).expect("plain data")
}

fn read(value: &Value) -> Result<Ablation, String> {
    let read = Ablation::from_json("folder/ablation.json", value.to_string().as_bytes());
    read.map_err(|error| error.to_string())
}

#[track_caller]
fn refused(value: &Value, parts: &[&str]) {
    let error = read(value).expect_err("refused");
    for part in ["folder/ablation.json"].iter().chain(parts) {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn text_does_not_come_back() {
    assert_eq!(read(&text()).expect("read"), ablation().ablation);
}

#[test]
fn other_format_is_read_as_this_one() {
    let mut other = json!({"format": 2, "something": "else"});
    refused(
        &other,
        &["format: expected 1, found 2", "version of dacapo"],
    );
    other = text();
    other["format"] = json!(0);
    refused(&other, &["expected 1, found 0"]);
    refused(&json!({}), &["missing field `format`"]);
    refused(&json!([1]), &["expected"]);
    let cut = Ablation::from_json("x.json", b"{\"format\": 1");
    assert!(cut.expect_err("refused").to_string().contains("EOF"));
    let more = format!("{} {{}}", text());
    let more = Ablation::from_json("x.json", more.as_bytes()).expect_err("refused");
    assert!(more.to_string().contains("after the end"), "{more}");
}

#[test]
fn unknown_field_is_passed_over() {
    let mut value = text();
    value["cases"][1]["rows"][0]["note"] = json!("x");
    refused(&value, &["cases[1].rows[0]", "note"]);
    let mut value = text();
    value["baseline"]["stopped_epoch"] = json!("late");
    refused(&value, &["baseline.stopped_epoch", "late"]);
}

#[test]
fn loss_that_is_no_number_refuses_the_whole() {
    let mut value = text();
    value["cases"][1]["rows"][0]["valid_difference_percent"] = Value::Null;
    let read = read(&value).expect("read");
    assert_eq!(read.cases[1].largest_valid_difference(), Some(0.25));
    let mut report = common::report(Vec::new());
    report.ablations = vec![dacapo_report::ReportAblation {
        label: "a".to_owned(),
        ablation: read,
    }];
    let page = html(&report).expect("drawn");
    assert!(page.contains("(no number in 1 of 2 epochs)"));
    assert!(page.contains("(0 throughout)"));
}
