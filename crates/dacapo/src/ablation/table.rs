//! An ablation as text.

use dacapo_report::{Ablation, AblationCase};

/// A table in Markdown: a row a case.
pub fn markdown(ablation: &Ablation) -> String {
    let mut out = String::from(
        "| resumed after epoch | without | largest difference of valid_loss | last | last of \
         train_loss | adapters' distance | stops after epoch | first differing step | matters |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for case in &ablation.cases {
        let last = case.rows.last();
        let cells = [
            case.resume_at.to_string(),
            case.left_out.clone(),
            shown(largest(case)),
            shown(last.map_or(0.0, |row| row.valid_difference_percent)),
            shown(last.map_or(0.0, |row| row.train_difference_percent)),
            match case.distance == 0.0 {
                true => "0".to_owned(),
                false => format!("{:.1e}", case.distance),
            },
            match case.stopped_epoch == ablation.baseline.stopped_epoch {
                true => case.stopped_epoch.to_string(),
                false => format!(
                    "{} (baseline {})",
                    case.stopped_epoch, ablation.baseline.stopped_epoch
                ),
            },
            match case.first_differing_step {
                Some(step) => step.to_string(),
                None => "none".to_owned(),
            },
            if case.matters { "yes" } else { "no" }.to_owned(),
        ];
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out
}

/// The largest difference of the validation loss, with its sign.
fn largest(case: &AblationCase) -> f64 {
    let differences = case.rows.iter().map(|row| row.valid_difference_percent);
    differences.fold(0.0, |largest: f64, now| {
        if now.abs() > largest.abs() {
            now
        } else {
            largest
        }
    })
}

/// In %, exactly 0 only for equal bits.
fn shown(percent: f64) -> String {
    match percent == 0.0 {
        true => "0 %".to_owned(),
        false if percent.abs() < 0.005 => format!("{percent:+.0e} %"),
        false => format!("{percent:+.2} %"),
    }
}

/// Every epoch of the baseline and of every case.
pub fn csv(ablation: &Ablation) -> String {
    let mut out = String::from(
        "resume_at,left_out,epoch,train_loss,valid_loss,train_difference_percent,\
         valid_difference_percent,distance\n",
    );
    for row in &ablation.baseline.rows {
        let (epoch, train, valid) = (row.epoch, row.train_loss, row.valid_loss);
        out.push_str(&format!(",(the whole run),{epoch},{train},{valid},0,0,0\n"));
    }
    for case in &ablation.cases {
        for row in &case.rows {
            out.push_str(&format!(
                "{},{},{},{},{},{},{},{}\n",
                case.resume_at,
                case.left_out,
                row.epoch,
                row.train_loss,
                row.valid_loss,
                row.train_difference_percent,
                row.valid_difference_percent,
                row.distance
            ));
        }
    }
    out
}
