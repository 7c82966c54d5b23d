use crate::{ReportRun, escape::escape, family::Family};

/// What else can change bits: once where all runs agree, a row a run where they do not.
pub(crate) fn identity(runs: &[ReportRun], family: &Family) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| &run.identity) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let (shared, different): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| {
        runs.iter()
            .all(|run| value(run, name) == value(&runs[0], name))
    });
    let mut out = String::new();
    if !shared.is_empty() {
        let who = match runs.len() {
            1 => "The run's",
            _ => "The same in all runs",
        };
        out.push_str(&format!(
            "<h3>{who}</h3>\n<div class=\"table\" tabindex=\"0\">\n<table>\n<tbody>\n"
        ));
        for name in shared {
            out.push_str(&format!(
                "<tr><th>{}</th><td class=\"value\"><code>{}</code></td></tr>\n",
                escape(name),
                escape(value(&runs[0], name))
            ));
        }
        out.push_str("</tbody>\n</table>\n</div>\n");
    }
    for name in different {
        out.push_str(&format!(
            "<h3>{}</h3>\n<div class=\"table\" tabindex=\"0\">\n<table>\n<tbody>\n",
            escape(name)
        ));
        for run in family.order.iter().map(|run| &runs[*run]) {
            out.push_str(&format!(
                "<tr><th>{}</th><td class=\"value\"><code>{}</code></td></tr>\n",
                escape(&run.label),
                escape(value(run, name))
            ));
        }
        out.push_str("</tbody>\n</table>\n</div>\n");
    }
    out
}

fn value<'a>(run: &'a ReportRun, name: &str) -> &'a str {
    let found = run.identity.iter().find(|(known, _)| known == name);
    found.map_or("-", |(_, value)| value)
}
