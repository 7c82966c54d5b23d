//! The page, and the pictures: what a reader would see wrong.

mod common;

use common::{ablation, fork, report, run, table, values};
use dacapo_report::{Report, ReportPerturbation, csv, html, png};

fn family() -> Report {
    let root = run("root", &[4.0, 3.0, 2.0, 1.0]);
    let child = fork("child", &root, 20, &[4.0, 3.0, 2.5, 1.0]);
    let grandchild = fork("grandchild", &child, 30, &[4.0, 3.0, 2.5, 0.5]);
    let mut report = report(vec![grandchild, child, root]);
    report.ablations.push(ablation());
    report
}

/// The part of a page about one plot.
#[track_caller]
fn figure<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("<figure id=\"{id}\">"));
    let rest = &page[start.unwrap_or_else(|| panic!("no plot {id}"))..];
    &rest[..rest.find("</figure>").expect("it ends")]
}

#[test]
fn name_becomes_markup() {
    const EVIL: &str = "<script>alert('1')</script>&\"\u{202e}\u{0}\n";
    let mut root = run(EVIL, &[2.0, 1.0]);
    root.run_id = EVIL.to_owned();
    root.state_hash = EVIL.to_owned();
    root.scenario = EVIL.to_owned();
    root.stopping.monitor = EVIL.to_owned();
    root.notes = vec![EVIL.to_owned()];
    root.identity = vec![(EVIL.to_owned(), EVIL.to_owned())];
    let mut child = fork("child", &root, 10, &[2.0, 1.5]);
    child.identity = vec![(EVIL.to_owned(), "other".to_owned())];
    child.forks[0].state_hash = EVIL.to_owned();
    child.forks[0].changes[0].key = EVIL.to_owned();
    child.forks[0].changes[0].from = EVIL.to_owned();
    child.forks[0].changes[0].to = EVIL.to_owned();
    child.perturbation = Some(ReportPerturbation {
        text: EVIL.to_owned(),
        first_step: 11,
        steps: 10,
    });
    let mut report = report(vec![root, child]);
    report.title = EVIL.to_owned();
    report.command = EVIL.to_owned();
    let mut other = ablation();
    other.label = EVIL.to_owned();
    other.ablation.command = EVIL.to_owned();
    other.ablation.baseline.run_id = EVIL.to_owned();
    other.ablation.baseline.state_hash = EVIL.to_owned();
    other.ablation.cases[1].left_out = EVIL.to_owned();
    report.ablations.push(other);

    let page = html(&report).expect("drawn");
    assert!(!page.contains("<script"), "markup from a name");
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;"));
    assert!(!page.contains(['\u{202e}', '\u{0}']));
    for file in csv(&report)
        .expect("written")
        .iter()
        .chain(&png(&report).expect("drawn"))
    {
        let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        assert!(file.name.chars().all(right), "{}", file.name);
    }
}

#[test]
fn same_runs_give_other_bytes() {
    let all = || {
        let report = family();
        let page = html(&report).expect("drawn");
        let files = [csv(&report).expect("written"), png(&report).expect("drawn")];
        (page, files.concat())
    };
    assert!(all() == all());
}

#[test]
fn page_needs_another_file() {
    let page = html(&family()).expect("drawn");
    let page = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for word in [
        "http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    for id in [
        "train-loss",
        "valid-loss",
        "drift",
        "early-stopping",
        "learning-rate",
    ] {
        assert!(figure(&page, id).contains("<polyline"), "{id} is empty");
    }
}

#[test]
fn zero_is_drawn_on_a_log_axis_or_not_told() {
    let root = run("root", &[4.0, 3.0, 2.0, 1.0]);
    let same = fork("same", &root, 10, &[4.0, 3.0, 2.0, 1.0]);
    let some = fork("some", &root, 10, &[4.0, 3.0, 2.5, 1.5]);
    let page = html(&report(vec![root.clone(), same.clone()])).expect("drawn");
    let drift = figure(&page, "drift");
    assert!(drift.contains("(0 throughout)"), "{drift}");
    assert!(drift.contains("no value has a place on this axis"));
    let mut lines = drift.lines().filter(|line| line.starts_with("<polyline"));
    assert!(lines.all(|line| !line.contains('#')), "a line at zero");

    let report = report(vec![root, same, some]);
    let page = html(&report).expect("drawn");
    assert!(figure(&page, "drift").contains("(0 in 1 of 3 epochs)"));
    assert_eq!(
        values(&report, "drift.csv", "some"),
        [(2, 0.0), (3, 25.0), (4, 50.0)]
    );
    let zero = [(2, 0.0), (3, 0.0), (4, 0.0)];
    assert_eq!(values(&report, "drift.csv", "same"), zero);
}

#[test]
fn branch_of_a_branch_is_compared_with_its_parent_or_drawn_twice() {
    let report = family();
    // From the last epoch that it shares with its parent.
    let loss = |label| values(&report, "valid-loss.csv", label);
    assert_eq!(loss("root").len(), 4);
    assert_eq!(loss("child"), [(2, 3.0), (3, 2.5), (4, 1.0)]);
    assert_eq!(loss("grandchild"), [(3, 2.5), (4, 0.5)]);
    // The root's loss is 1.
    assert_eq!(values(&report, "drift.csv", "grandchild"), [(4, 50.0)]);
    assert_eq!(values(&report, "drift.csv", "child"), [(3, 25.0), (4, 0.0)]);
    let page = html(&report).expect("drawn");
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(place("branched off root after step 20") < place("branched off child after step 30"));
    assert!(page.contains("optimizer.lr: 0.5 -&gt; 0.25"));
}

#[test]
fn branch_in_the_middle_of_an_epoch_begins_late() {
    let root = run("root", &[4.0, 3.0, 2.0]);
    let early = fork("early", &root, 0, &[4.5, 3.0, 2.0]);
    let middle = fork("middle", &root, 15, &[4.0, 3.5, 2.0]);
    let report = report(vec![root, early, middle]);
    let loss = |label| values(&report, "valid-loss.csv", label);
    assert_eq!(loss("early")[0], (1, 4.5));
    assert_eq!(loss("middle")[0], (1, 4.0));
    assert_eq!(values(&report, "drift.csv", "middle").len(), 2);
}

#[test]
fn run_without_its_parent_is_lost() {
    let root = run("root", &[4.0, 3.0, 2.0, 1.0]);
    let child = fork("child", &root, 20, &[4.0, 3.0, 2.5, 1.0]);
    let grandchild = fork("grandchild", &child, 30, &[4.0, 3.0, 2.5, 0.5]);
    let alone = report(vec![grandchild.clone()]);
    assert_eq!(values(&alone, "valid-loss.csv", "grandchild").len(), 4);
    let page = html(&alone).expect("drawn");
    assert!(page.contains("branched off run id-child, which is not in this report"));
    // With its grandparent it begins where it left that.
    let both = report(vec![root, grandchild]);
    assert_eq!(values(&both, "valid-loss.csv", "grandchild").len(), 3);
    assert_eq!(
        values(&both, "drift.csv", "grandchild"),
        [(3, 25.0), (4, 50.0)]
    );
}

#[test]
fn circle_of_ids_hangs_the_report() {
    let mut a = run("a", &[1.0]);
    let b = fork("b", &a, 10, &[1.0]);
    a.forks.clone_from(&b.forks);
    a.forks[0].run_id.clone_from(&b.run_id);
    let mut itself = run("itself", &[1.0]);
    itself.forks.clone_from(&b.forks);
    itself.forks[0].run_id.clone_from(&itself.run_id);
    let page = html(&report(vec![a, b, itself])).expect("drawn");
    for name in ["a", "b", "itself"] {
        assert!(page.contains(&format!("<strong>{name}</strong>")), "{name}");
    }
}

#[test]
fn run_without_an_epoch_fails() {
    let root = run("root", &[]);
    let child = fork("child", &root, 0, &[]);
    let page = html(&report(vec![root.clone(), child])).expect("drawn");
    assert!(page.contains("hash-root"));
    assert!(!page.contains("NaN"));
    let late = fork("late", &root, 0, &[1.0]);
    let both = report(vec![root, late]);
    html(&both).expect("drawn");
    png(&both).expect("drawn");
    let none = report(Vec::new());
    html(&none).expect("drawn");
    assert!(csv(&none).expect("written").is_empty());
}

#[test]
fn one_run_of_one_epoch_is_not_seen() {
    let report = report(vec![run("only", &[1.0])]);
    let page = html(&report).expect("drawn");
    assert!(figure(&page, "valid-loss").contains("<circle"));
    assert!(!page.contains("figure id=\"drift\""), "drift from nothing");
    assert!(!page.contains("A branch begins"));
}

#[test]
fn number_that_has_no_place_ends_the_report() {
    let root = run("root", &[f64::NAN, 1.0, f64::INFINITY, 0.0, 1e300, -1e300]);
    let child = fork(
        "child",
        &root,
        10,
        &[f64::NAN, 2.0, 1.0, 1.0, f64::NAN, 1.0],
    );
    let report = report(vec![root, child]);
    let page = html(&report).expect("drawn");
    let drift = figure(&page, "drift");
    assert!(drift.contains("no number in 3 of 5 epochs"), "{drift}");
    png(&report).expect("drawn");
    assert_eq!(table(&report, "valid-loss.csv")[0][3], "NaN");
}

#[test]
fn perturbed_window_is_shaded_elsewhere() {
    let root = run("root", &[4.0, 3.0, 2.0, 1.0]);
    let mut child = fork("child", &root, 20, &[4.0, 3.0, 2.5, 1.0]);
    child.perturbation = Some(ReportPerturbation {
        text: "label-shuffle".to_owned(),
        first_step: 21,
        steps: 10,
    });
    let after = fork("after", &child, 30, &[4.0, 3.0, 2.5, 2.0]);
    let mut after = after;
    after.perturbation.clone_from(&child.perturbation);
    let page = html(&report(vec![root, child, after])).expect("drawn");
    let shaded: Vec<&str> = figure(&page, "valid-loss")
        .lines()
        .filter(|line| line.starts_with("<rect"))
        .collect();
    // The branch's branch began after the window.
    assert_eq!(shaded.len(), 1, "{shaded:?}");
    assert!(page.matches("perturbed: label-shuffle").count() == 1);
    // Epochs 2 to 3 of 1 to 4: the middle third.
    let number = |name: &str| -> f64 {
        let start = shaded[0].find(&format!(" {name}=\"")).expect("there") + name.len() + 3;
        let text = &shaded[0][start..];
        text[..text.find('"').expect("quoted")]
            .parse()
            .expect("a number")
    };
    let left = (86.0 + 8.0) * 4.0;
    let third = (560.0 * 4.0 - left - 16.0 * 4.0) / 3.0;
    assert!((number("x") - left - third).abs() < 4.0, "{shaded:?}");
    assert!((number("width") - third).abs() < 4.0, "{shaded:?}");
}

#[test]
fn many_runs_look_alike_or_fail() {
    let root = run("root", &[2.0, 1.0]);
    let mut runs = vec![root.clone()];
    for index in 0..70 {
        runs.push(fork(&format!("fork-{index}"), &root, 10, &[2.0, 1.5]));
    }
    let report = report(runs);
    let page = html(&report).expect("drawn");
    let keys: std::collections::BTreeSet<&str> = figure(&page, "valid-loss")
        .lines()
        .filter_map(|line| line.strip_prefix("<li>")?.split("<span>").next())
        .collect();
    assert_eq!(keys.len(), 30);
    png(&report).expect("drawn");
}

#[test]
fn identity_is_repeated_or_a_difference_hidden() {
    let mut a = run("a", &[1.0]);
    let mut b = run("b", &[1.0]);
    for (run, hash) in [(&mut a, "hash of a"), (&mut b, "hash of b")] {
        run.identity
            .push(("config_hash".to_owned(), hash.to_owned()));
    }
    let page = html(&report(vec![a, b])).expect("drawn");
    assert_eq!(page.matches("<code>cpu</code>").count(), 1);
    assert!(page.contains("hash of a") && page.contains("hash of b"));
}

#[test]
fn picture_is_empty_or_no_picture() {
    for file in png(&family()).expect("drawn") {
        let decoder = png::Decoder::new(std::io::Cursor::new(&file.bytes));
        let mut reader = decoder.read_info().expect("a PNG file");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut pixels).expect("pixels");
        assert_eq!(reader.info().width, 1680);
        let coloured = pixels.chunks(3).filter(|p| p.iter().any(|c| *c != p[0]));
        assert!(coloured.count() > 1000, "{}", file.name);
    }
}
