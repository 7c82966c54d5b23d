use crate::{ReportRun, escape::escape, family::Family, number::number, page::key};

/// Where every run stands.
pub(crate) fn runs_table(runs: &[ReportRun], family: &Family) -> String {
    let mut out = String::from(
        "<div class=\"table\" tabindex=\"0\">\n<table>\n<thead><tr><th>run</th><th>id</th>\
         <th class=\"n\">epochs</th><th class=\"n\">steps</th>\
         <th class=\"n\">last training loss</th><th class=\"n\">last validation loss</th>\
         <th>best</th><th>ended</th><th>state hash</th></tr></thead>\n<tbody>\n",
    );
    for (series, &run) in family.order.iter().enumerate() {
        let run = &runs[run];
        let last = |metric: &str| {
            let value = run.rows.last().and_then(|row| row.metrics.get(metric));
            value.map_or_else(|| "-".to_owned(), |value| number(*value))
        };
        out.push_str(&format!(
            "<tr><td class=\"name\">{} {}</td><td class=\"id\"><code>{}</code></td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td>{}</td><td>{}</td><td class=\"hash\"><code>{}</code></td></tr>\n",
            key(series),
            escape(&run.label),
            escape(&run.run_id),
            run.epochs,
            run.step,
            last("train_loss"),
            last("valid_loss"),
            escape(&best(run)),
            match run.stopping.triggered {
                true => "stopped early",
                false => "-",
            },
            escape(&run.state_hash)
        ));
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    out
}

/// The best value so far, in words.
pub(crate) fn best(run: &ReportRun) -> String {
    let stopping = &run.stopping;
    match (stopping.best, stopping.best_epoch) {
        (Some(best), Some(epoch)) => {
            format!("{} {} in epoch {epoch}", stopping.monitor, number(best))
        }
        _ => "-".to_owned(),
    }
}
