//! A report in a real browser, where there is one.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use dacapo_tests::{Settings, sandbox};

/// The browser that `DACAPO_CHROMIUM` names, or one on the PATH.
fn browser() -> Option<PathBuf> {
    if let Some(named) = env::var_os("DACAPO_CHROMIUM") {
        return Some(named.into());
    }
    let paths = env::var_os("PATH")?;
    env::split_paths(&paths)
        .flat_map(|folder| ["chromium", "google-chrome"].map(|name| folder.join(name)))
        .find(|path| path.is_file())
}

#[test]
fn browser_shows_no_plots() {
    let Some(browser) = browser() else {
        eprintln!(
            "skipped: no chromium or google-chrome on the PATH; DACAPO_CHROMIUM can name one"
        );
        return;
    };
    let sandbox = sandbox!();
    sandbox.run(Settings::small().train("run")).expect_code(0);
    let fork = ["fork", "run", "--at", "1", "--out", "fork <b>"];
    let perturb = ["--perturb", "random-targets"];
    sandbox
        .run([&fork[..], &perturb[..]].concat())
        .expect_code(0);
    sandbox.run(["resume", "fork <b>"]).expect_code(0);
    sandbox.run(["report", ".", "-o", "r.html"]).expect_code(0);

    let output = Command::new(&browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!(
            "--user-data-dir={}",
            sandbox.path("profile").display()
        ))
        .arg(format!("file://{}", sandbox.path("r.html").display()))
        .stderr(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", browser.display()));
    assert!(output.status.success(), "{:?}", output.status);
    let page = String::from_utf8(output.stdout).expect("UTF-8");
    for id in [
        "train-loss",
        "valid-loss",
        "drift",
        "early-stopping",
        "learning-rate",
    ] {
        let start = page.find(&format!("<figure id=\"{id}\">"));
        let rest = &page[start.unwrap_or_else(|| panic!("no {id} in\n{page}"))..];
        let figure = &rest[..rest.find("</figure>").expect("it ends")];
        let lines = figure.matches("<polyline").count();
        assert!(lines >= 2, "{lines} lines in {id}");
        assert!(figure.contains("fork &lt;b&gt;"), "{id}");
    }
    assert!(!page.contains("<b>"), "a name became markup");
    for word in ["parsererror", "ERR_", "NaN", "undefined"] {
        assert!(!page.contains(word), "{word} is in\n{page}");
    }
}
