use crate::{
    ReportRun,
    escape::escape,
    family::{Family, Origin},
    html_runs::best,
    page::key,
};

/// Every run below the one that it was branched off.
pub(crate) fn lineage(runs: &[ReportRun], family: &Family) -> String {
    let mut out = String::from("<ul class=\"tree\">\n");
    let roots = (0..runs.len()).filter(|run| family.parents[*run].is_none());
    for root in roots {
        write(&mut out, root, runs, family);
    }
    out.push_str("</ul>\n");
    out
}

fn write(out: &mut String, index: usize, runs: &[ReportRun], family: &Family) {
    let run = &runs[index];
    let series = family.order.iter().position(|other| *other == index);
    out.push_str(&format!(
        "<li><p>{} <strong>{}</strong> <span class=\"soft\">run <code>{}</code></span></p>\n",
        key(series.unwrap_or_default()),
        escape(&run.label),
        escape(&run.run_id)
    ));
    for line in origin(run, family.parents[index], runs) {
        out.push_str(&format!("<p>{}</p>\n", escape(&line)));
    }
    let ended = match run.stopping.triggered {
        true => ", stopped early",
        false => "",
    };
    let best = match best(run).as_str() {
        "-" => String::new(),
        best => format!("; best {best}"),
    };
    out.push_str(&format!(
        "<p class=\"soft\">{} epochs, step {}{ended}{}; {}</p>\n",
        run.epochs,
        run.step,
        escape(&best),
        escape(&run.scenario)
    ));
    let children = family.children(index, runs);
    if !children.is_empty() {
        out.push_str("<ul>\n");
        for child in children {
            write(out, child, runs, family);
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</li>\n");
}

/// Where a run comes from and what happened to it, a line each.
fn origin(run: &ReportRun, parent: Option<Origin>, runs: &[ReportRun]) -> Vec<String> {
    let mut lines = Vec::new();
    // What led away from the ancestor above it, which need not be its parent.
    let first = parent.map_or(0, |origin| origin.fork);
    for (index, fork) in run.forks.iter().enumerate().skip(first) {
        let name = match parent {
            Some(origin) if origin.fork == index => runs[origin.run].label.clone(),
            _ => format!("run {}, which is not in this report,", fork.run_id),
        };
        lines.push(format!(
            "branched off {name} after step {}, state {}",
            fork.step,
            fork.state_hash.chars().take(16).collect::<String>()
        ));
        let changes = fork.changes.iter();
        let changes: Vec<String> = changes
            .filter(|change| !change.key.starts_with("perturbation"))
            .map(|change| format!("{}: {} -> {}", change.key, change.from, change.to))
            .collect();
        if fork.changes.is_empty() {
            lines.push("nothing changed".to_owned());
        }
        lines.extend(changes);
    }
    // A branch has its parent's window, which may have ended before it began.
    let begin = parent.map_or(0, |origin| run.forks[origin.fork].step);
    if let Some(perturbation) = &run.perturbation
        && perturbation.first_step.saturating_add(perturbation.steps) > begin + 1
    {
        lines.push(format!("perturbed: {}", perturbation.text));
    }
    lines.extend(run.notes.iter().cloned());
    lines
}
