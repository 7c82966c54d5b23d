use std::{collections::BTreeMap, path::Path};

use super::{
    quoted::quoted,
    task::{RSA_P, RSA_RHO, VALID_LOSS},
};
use crate::CliError;

/// The original's columns, and the metrics that they are here.
const COLUMNS: [(&str, &str); 4] = [
    ("train_loss", "train_loss"),
    ("test_loss", VALID_LOSS),
    ("behavioral_rsa_rho", RSA_RHO),
    ("behavioral_rsa_p_value", RSA_P),
];

/// The `bytes` of the original's `training_res.csv` at `path`: the metrics of every epoch up to `last` (as it counts),
/// in their order.
///
/// Its rows count from 0, or, as in the published ones, from 1.
///
/// # Errors
/// A file that is no text, a column that is unknown or doubled, an epoch that is missing, doubled or out of
/// order, a value that is no number: with the row. A metric of `wanted` that it does not have.
pub(crate) fn read_history(
    path: &Path,
    bytes: &[u8],
    last: u64,
    wanted: &[String],
) -> Result<Vec<BTreeMap<String, f64>>, CliError> {
    let refuse = |what: String, next: &str| {
        Err(CliError::input(format!("{}: {what}", path.display()), next))
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return refuse(
            "it is no text in UTF-8".to_owned(),
            "Give the file that the original's training wrote",
        );
    };
    let mut lines = text.lines().zip(1..);
    let header: Vec<&str> = match lines.next() {
        Some((line, _)) => line.split(',').map(str::trim).collect(),
        None => Vec::new(),
    };
    if header.first() != Some(&"epoch") {
        return refuse(
            format!(
                "the first line does not begin with `epoch` but with {}",
                quoted(header.first().unwrap_or(&""))
            ),
            "Give the file that the original's training wrote",
        );
    }
    let mut columns = Vec::new();
    for name in &header[1..] {
        match COLUMNS.iter().find(|(theirs, _)| theirs == name) {
            Some((_, ours)) if columns.contains(ours) => {
                return refuse(
                    format!("the column `{name}` is there twice"),
                    "Remove one of the two from a copy of the file",
                );
            }
            Some((_, ours)) => columns.push(*ours),
            None => {
                return refuse(
                    format!("the column {} is not known", quoted(name)),
                    "Remove it from a copy of the file: nothing here corresponds to it",
                );
            }
        }
    }
    for name in wanted {
        if !columns.contains(&name.as_str()) {
            return refuse(
                format!("there is no column for {name}, which this run has every epoch"),
                "Leave clip.rsa_targets and clip.rsa_rdm out of the configuration if the original \
                 wrote no RSA",
            );
        }
    }
    if let Some(extra) = columns
        .iter()
        .find(|name| !wanted.iter().any(|w| w == *name))
    {
        return refuse(
            format!("{extra} is in it, but not a metric of this run"),
            "Give clip.rsa_targets and clip.rsa_rdm in the configuration",
        );
    }

    let mut rows = Vec::new();
    let mut first = None;
    for (line, number) in lines.filter(|(line, _)| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let next = "Repair a copy of the file: the history must have every epoch once, in order";
        if cells.len() != header.len() {
            return refuse(
                format!(
                    "line {number} has {} values, not {}",
                    cells.len(),
                    header.len()
                ),
                next,
            );
        }
        let Ok(epoch) = cells[0].parse::<u64>() else {
            return refuse(
                format!("line {number}: {} is no epoch", quoted(cells[0])),
                next,
            );
        };
        let expected = *first.get_or_insert(epoch) + rows.len() as u64;
        if epoch != expected || first > Some(1) {
            let expected = match first {
                Some(0 | 1) => expected.to_string(),
                _ => "0 or 1".to_owned(),
            };
            return refuse(
                format!("line {number} is epoch {epoch}, where {expected} should follow"),
                next,
            );
        }
        let mut metrics = BTreeMap::new();
        for (name, cell) in columns.iter().zip(&cells[1..]) {
            match cell.parse::<f64>() {
                Ok(value) if value.is_finite() => metrics.insert((*name).to_owned(), value),
                _ => {
                    return refuse(
                        format!("line {number}: {} is no number", quoted(cell)),
                        next,
                    );
                }
            };
        }
        rows.push(metrics);
        if epoch == last {
            return Ok(rows);
        }
    }
    refuse(
        format!(
            "there is no row for epoch {last}, only {} before it",
            rows.len()
        ),
        "Choose an --epoch that the file tells of",
    )
}
