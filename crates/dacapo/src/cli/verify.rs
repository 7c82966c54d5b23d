use std::{collections::BTreeSet, path::Path};

use dacapo_record::TreeDiff;
use dacapo_trainer::{RunFolder, TrainerRecord};
use serde_json::{Value, json};

use super::{
    args::VerifyArgs,
    checkpoint_file::{read_tree, resolve},
    output::{print, print_json},
};
use crate::CliError;

/// One pair that was compared.
struct Pair {
    what: &'static str,
    equal: bool,
    hash: Option<String>,
    text: String,
    json: Value,
}

pub(crate) fn verify(args: &VerifyArgs) -> Result<i32, CliError> {
    let ignored = ignored(args);
    let states = |what, a: &Path, b: &Path| states(what, a, b, &ignored, args.max);
    let mut pairs = vec![states("state", &resolve(&args.a)?, &resolve(&args.b)?)?];
    if args.a.is_dir() && args.b.is_dir() {
        let (a, b) = (RunFolder::new(&args.a), RunFolder::new(&args.b));
        match (a.best()?, b.best()?) {
            (Some(best_a), Some(best_b)) => {
                let (a, b) = (a.checkpoint(&best_a)?, b.checkpoint(&best_b)?);
                pairs.push(states("best", &a, &b)?);
            }
            (None, None) => {}
            (a, b) => pairs.push(text_pair("best", &named(a), &named(b))),
        }
        let (a, b) = (history(&args.a)?, history(&args.b)?);
        pairs.push(text_pair("history.csv", &a, &b));
    }
    let equal = pairs.iter().all(|pair| pair.equal);
    if args.json {
        let pairs: serde_json::Map<String, Value> = pairs
            .into_iter()
            .map(|pair| (pair.what.to_owned(), pair.json))
            .collect();
        let not_compared: serde_json::Map<String, Value> = informational(args)?
            .into_iter()
            .map(|(path, a, b)| (path, json!({ "a": a, "b": b })))
            .collect();
        print_json(&json!({
            "equal": equal,
            "compared": pairs,
            "not_compared": not_compared,
        }))?;
    } else {
        let mut out = String::new();
        for Pair {
            what,
            equal,
            hash,
            text,
            ..
        } in &pairs
        {
            let verdict = match (equal, hash) {
                (true, Some(hash)) => format!("equal in every bit, {hash}"),
                (true, None) => "equal in every bit".to_owned(),
                (false, _) => format!("DIFFERENT\n{}", text.trim_end()),
            };
            out.push_str(&format!("{what}: {verdict}\n"));
        }
        let notes: Vec<String> = informational(args)?
            .into_iter()
            .map(|(path, a, b)| format!("{path} {a} | {b}"))
            .collect();
        if !notes.is_empty() {
            out.push_str(&format!("not compared: {}\n", notes.join(", ")));
        }
        print(&out)?;
    }
    Ok(i32::from(!equal))
}

/// What tells a branch from its parent and is no state.
const ACROSS_FORKS: &[&str] = &[
    "run.run_id",
    "run.parent",
    "run.lineage",
    "run.config",
    "run.perturbation",
    "identity.config_hash",
];

/// The paths that are listed, not compared.
fn ignored(args: &VerifyArgs) -> Vec<&'static str> {
    let mut ignored = TrainerRecord::INFORMATIONAL.to_vec();
    if args.across_forks {
        ignored.extend(ACROSS_FORKS);
    }
    ignored
}

fn states(
    what: &'static str,
    a: &Path,
    b: &Path,
    ignored: &[&str],
    max: usize,
) -> Result<Pair, CliError> {
    let (left, right) = (read_tree(a)?, read_tree(b)?);
    let diff: TreeDiff = left.diff(&right, ignored);
    let (hash_a, hash_b) = (left.state_hash(ignored), right.state_hash(ignored));
    let equal = diff.is_equal() && hash_a == hash_b;
    Ok(Pair {
        what,
        equal,
        json: json!({
            "equal": equal,
            "a": { "file": a, "state_hash": hash_a },
            "b": { "file": b, "state_hash": hash_b },
            "diff": diff,
        }),
        hash: Some(hash_a),
        text: diff.display(max).to_string(),
    })
}

fn text_pair(what: &'static str, a: &str, b: &str) -> Pair {
    let first = a.lines().zip(b.lines()).position(|(a, b)| a != b);
    let line = first.unwrap_or_else(|| a.lines().count().min(b.lines().count()));
    let show = |text: &str| text.lines().nth(line).unwrap_or("(nothing)").to_owned();
    let equal = a == b;
    Pair {
        what,
        equal,
        hash: None,
        text: format!("  line {}: {} | {}", line + 1, show(a), show(b)),
        json: json!({ "equal": equal, "first_differing_line": (!equal).then_some(line + 1) }),
    }
}

fn named(name: Option<String>) -> String {
    name.unwrap_or_else(|| "(nothing)".to_owned())
}

fn history(root: &Path) -> Result<String, CliError> {
    let path = root.join("history.csv");
    std::fs::read_to_string(&path).map_err(|error| {
        CliError::input(
            format!("cannot read {}: {error}", path.display()),
            "Resume the run: it writes the file anew",
        )
    })
}

/// Where informational leaves differ, for the reader's interest: path and both values.
fn informational(args: &VerifyArgs) -> Result<Vec<(String, String, String)>, CliError> {
    let (a, b) = (
        read_tree(&resolve(&args.a)?)?,
        read_tree(&resolve(&args.b)?)?,
    );
    let compared: BTreeSet<String> = paths(a.diff(&b, &ignored(args)));
    let all = a.diff(&b, &[]);
    let nothing = || "(nothing)".to_owned();
    let both = all
        .differing
        .iter()
        .map(|leaf| (leaf.path.clone(), leaf.left.clone(), leaf.right.clone()));
    let left = all
        .only_left
        .iter()
        .map(|path| (path.clone(), "(there)".to_owned(), nothing()));
    let right = all
        .only_right
        .iter()
        .map(|path| (path.clone(), nothing(), "(there)".to_owned()));
    let differing = both.chain(left).chain(right);
    Ok(differing
        .filter(|(path, ..)| !compared.contains(path))
        .collect())
}

/// Every path in which two trees differ.
fn paths(diff: TreeDiff) -> BTreeSet<String> {
    let differing = diff.differing.into_iter().map(|leaf| leaf.path);
    differing
        .chain(diff.only_left)
        .chain(diff.only_right)
        .collect()
}
