use crate::{
    Report, ReportError, ablation_figures::ablation_figures, escape::escape, family::Family,
    figure::Figure, figures::run_figures, html_ablation::ablation_table, html_identity::identity,
    html_lineage::lineage, html_runs::runs_table, palette, svg::svg,
};

/// The report as one HTML page, which needs neither network nor other files nor JavaScript.
///
/// The same report gives the same bytes.
///
/// # Errors
/// A plot that cannot be drawn, which is a mistake in this crate.
pub fn html(report: &Report) -> Result<String, ReportError> {
    let family = Family::new(&report.runs);
    let mut out = String::new();
    let title = escape(&report.title);
    out.push_str(&format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p>Made by <code>{}</code>. The same runs give the same page.</p>\n",
        include_str!("page.css"),
        escape(&report.command),
    ));
    if !report.runs.is_empty() {
        out.push_str("<h2>Lineage</h2>\n");
        out.push_str(&lineage(&report.runs, &family));
        out.push_str("<h2>Curves</h2>\n");
        let figures = run_figures(report, &family);
        if figures.is_empty() {
            out.push_str("<p>No run has completed an epoch yet.</p>\n");
        }
        plots(&mut out, &figures)?;
        out.push_str("<h2>Runs</h2>\n");
        out.push_str(&runs_table(&report.runs, &family));
    }
    for (number, item) in (1..).zip(&report.ablations) {
        out.push_str(&format!("<h2>Ablation {}</h2>\n", escape(&item.label)));
        out.push_str(&ablation_table(&item.ablation));
        plots(&mut out, &ablation_figures(number, &item.ablation))?;
    }
    if !report.runs.is_empty() {
        out.push_str("<h2>Identity</h2>\n");
        out.push_str(&identity(&report.runs, &family));
    }
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(out)
}

fn plots(out: &mut String, figures: &[Figure]) -> Result<(), ReportError> {
    out.push_str("<div class=\"plots\">\n");
    for figure in figures {
        let title = escape(&figure.title);
        out.push_str(&format!(
            "<figure id=\"{}\">\n<h3>{title}</h3>\n\
             <div class=\"plot\" role=\"img\" aria-label=\"{title}\">\n{}</div>\n\
             <ul class=\"legend\">\n",
            escape(&figure.id),
            svg(figure)?
        ));
        for line in &figure.lines {
            let note = escape(&line.note());
            out.push_str(&format!(
                "<li>{}<span>{}<span class=\"soft\">{note}</span></span></li>\n",
                key(line.series),
                escape(&line.label)
            ));
        }
        let caption = escape(&figure.caption);
        out.push_str(&format!(
            "</ul>\n<figcaption>{caption}</figcaption>\n</figure>\n"
        ));
    }
    out.push_str("</div>\n");
    Ok(())
}

/// A sample of a series's line.
pub(crate) fn key(series: usize) -> String {
    format!(
        "<svg class=\"key\" viewBox=\"0 0 40 10\" aria-hidden=\"true\"><line x1=\"1\" y1=\"5\" \
         x2=\"39\" y2=\"5\" stroke=\"{}\" stroke-width=\"2.5\"{}/></svg>",
        palette::hex(series),
        palette::dash_attribute(series, 1)
    )
}
