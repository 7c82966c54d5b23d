use crate::{Ablation, escape::escape, number::number};

/// A row for every case.
pub(crate) fn ablation_table(ablation: &Ablation) -> String {
    let baseline = &ablation.baseline;
    let mut out = format!(
        "<p>Made by <code>{}</code>: {} epochs of {} steps. Baseline: run <code>{}</code>, which \
         stopped at epoch {}, state <code>{}</code>.</p>\n\
         <div class=\"table\" tabindex=\"0\">\n<table>\n<thead><tr>\
         <th class=\"n\">gone on after epoch</th><th>left out</th>\
         <th class=\"n\">largest difference of validation loss, %</th>\
         <th class=\"n\">last difference of validation loss, %</th>\
         <th class=\"n\">last difference of training loss, %</th>\
         <th class=\"n\">distance of parameters</th>\
         <th class=\"n\">stopped at epoch (baseline: {})</th>\
         <th class=\"n\">first differing step</th><th>matters</th></tr></thead>\n<tbody>\n",
        escape(&ablation.command),
        ablation.epochs,
        ablation.steps_per_epoch,
        escape(&baseline.run_id),
        baseline.stopped_epoch,
        escape(&baseline.state_hash),
        baseline.stopped_epoch,
    );
    for case in &ablation.cases {
        let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        let last = case.rows.last();
        let step = case.first_differing_step;
        out.push_str(&format!(
            "<tr><td class=\"n\">{}</td><td class=\"name\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
            case.resume_at,
            escape(&case.left_out),
            shown(case.largest_valid_difference()),
            shown(last.map(|row| row.valid_difference_percent)),
            shown(last.map(|row| row.train_difference_percent)),
            number(case.distance),
            case.stopped_epoch,
            step.map_or_else(|| "none".to_owned(), |step| step.to_string()),
            match case.matters {
                true => "yes",
                false => "no",
            },
        ));
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    out
}
