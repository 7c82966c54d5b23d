//! What shells, manuals, terminals and scripts see of the program.

use std::{collections::BTreeSet, fs, path::Path};

use dacapo_tests::{Finished, Sandbox, Settings, sandbox};

const ESCAPE: char = '\u{1b}';

/// The lines of a section of the help, which ends with an empty line.
fn section(help: &str, title: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != title).skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// Every command that the help lists.
fn commands(sandbox: &Sandbox) -> BTreeSet<String> {
    let help = sandbox.run(["-h"]).expect_success().out;
    let lines = section(&help, "Commands:");
    let names = lines
        .iter()
        .filter_map(|line| line.split_whitespace().next());
    let names: BTreeSet<String> = names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect();
    assert!(names.contains("train") && names.len() > 15, "{names:?}");
    names
}

/// The first cells, which are in backquotes, of the table rows below a heading of docs/cli.md.
fn documented(heading: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let text = fs::read_to_string(path).expect("docs/cli.md");
    let lines = text.lines().skip_while(|line| *line != heading).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('#'));
    let cells = lines.filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    cells.map(|(cell, _)| cell.to_owned()).collect()
}

#[test]
fn command_is_not_documented_or_documented_and_gone() {
    assert_eq!(documented("## Commands"), commands(&sandbox!()));
}

#[test]
fn exit_codes_of_help_and_documentation_differ() {
    let sandbox = sandbox!();
    for help in ["-h", "--help"] {
        let help = sandbox.run([help]).expect_success().out;
        let lines = section(&help, "Exit codes:");
        let codes = lines
            .iter()
            .filter_map(|line| line.split_whitespace().next());
        let codes: BTreeSet<String> = codes.map(str::to_owned).collect();
        assert!(
            codes.iter().all(|code| code.parse::<u8>().is_ok()),
            "{codes:?}"
        );
        assert_eq!(codes, documented("## Exit codes"));
    }
}

#[test]
fn completions_lack_a_command() {
    let sandbox = sandbox!();
    let commands = commands(&sandbox);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = sandbox.run(["completions", shell]).expect_success().out;
        for command in &commands {
            assert!(script.contains(command), "{command} for {shell}");
        }
        assert!(script.contains("--stop-after-step") || script.contains("stop-after-step"));
    }
    sandbox.run(["completions", "no-shell"]).expect_code(2);
}

#[test]
fn manual_lacks_a_command() {
    let sandbox = sandbox!();
    let page = sandbox.run(["man"]).expect_success().out;
    let page = page.replace("\\-", "-");
    assert_eq!(
        sandbox
            .run(["man", "--out", "share/man1"])
            .expect_success()
            .out,
        ""
    );
    for command in commands(&sandbox) {
        assert!(page.contains(&format!("dacapo-{command}(1)")), "{command}");
        let file = sandbox
            .path("share/man1")
            .join(format!("dacapo-{command}.1"));
        let own = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(own.contains(".TH"), "{command}: {own}");
    }
    let main = fs::read_to_string(sandbox.path("share/man1/dacapo.1")).expect("the main page");
    assert_eq!(main.replace("\\-", "-"), page);
    // Again, over the older ones; and not where a file is.
    sandbox.run(["man", "--out", "share/man1"]).expect_success();
    let refused = sandbox
        .run(["man", "--out", "share/man1/dacapo.1"])
        .expect_code(2);
    assert!(refused.err.contains("--out"), "{}", refused.err);
}

#[test]
fn escape_sequence_is_written_without_a_terminal_or_with_no_color() {
    let sandbox = sandbox!();
    let run = |args: &[String], variables: &[(&str, &str)]| {
        let mut command = sandbox.command(args);
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.envs(variables.iter().copied());
        Finished::of(&mut command)
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    // It would be seen: forced, the help has colours.
    let forced = run(&words("--help"), &[("CLICOLOR_FORCE", "1")]);
    assert!(forced.out.contains(ESCAPE), "{}", forced.out);

    let train = |out: &str| Settings::small().set("train.epochs", 1).train(out);
    let mut commands = vec![
        ([train("a"), words("-vv")].concat(), 0),
        (train("a"), 2),
        (words("resume a"), 0),
    ];
    for (text, code) in [
        ("--help", 0),
        ("help train", 0),
        ("train --no-such-option", 2),
        ("no-such-command", 2),
        ("verify a a", 0),
        ("inspect a", 0),
        ("repair a", 0),
        ("lineage a", 0),
        ("report a --force", 0),
        ("plan", 0),
        ("config --default", 0),
        ("config no-such-file.toml", 2),
        ("completions zsh", 0),
        ("man", 0),
    ] {
        commands.push((words(text), code));
    }
    let settings: [&[(&str, &str)]; 3] = [
        &[],
        &[("NO_COLOR", "1")],
        &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")],
    ];
    for variables in settings {
        for (args, code) in &commands {
            let finished = run(args, variables).expect_code(*code);
            for text in [&finished.out, &finished.err] {
                assert!(!text.contains(ESCAPE), "{variables:?} {args:?}: {text:?}");
            }
        }
        sandbox.remove("a");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn path_that_is_no_text_is_recorded_as_another_one() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    let sandbox = sandbox!();
    let folder = sandbox.path(OsStr::from_bytes(b"odd-\xff"));
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("base"), "").expect("a file");
    let mut command = sandbox.command(["train", "--out", "a", "--set", "model.base=base"]);
    let refused = Finished::of(command.current_dir(&folder)).expect_code(2);
    let told = refused.err.contains("model.base") && refused.err.contains("UTF-8");
    assert!(told, "{}", refused.err);
    assert!(!folder.join("a").exists());
}
