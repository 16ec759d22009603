//! Stories about the hidden command that becomes an MCP server over stdio.

use crate::shell::{folder, portcullis, run, told};

/// T37, T38: it becomes the program with just these arguments and just this environment, in a session of its own
#[test]
fn it_becomes_the_program_and_nothing_else() {
    let folder = folder();
    let own = std::process::id();
    let mut command = portcullis(folder.path(), &format!("stdio-child {own} /bin/sh -c"));
    command.arg("env; cut -d' ' -f6 /proc/$$/stat; echo $$ \"$@\"").args(["sh", "--help", "a b", "$(id)"]);
    let (code, stdout, stderr) = told(command.env("GREETING", "hello").output().unwrap());
    assert_eq!((code, stderr.as_str()), (0, ""));
    let lines: Vec<_> =
        stdout.lines().filter(|line| !line.starts_with("PWD=") && !line.starts_with("_=")).collect();
    let [greeting, session, words] = lines[..] else { panic!("{stdout}") };
    assert_eq!(greeting, "GREETING=hello");
    assert_eq!(words, format!("{session} --help a b $(id)"), "a session of its own, and no shell of ours");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "it reads no settings and writes no data");
}

#[test]
fn it_says_why_it_could_not() {
    let folder = folder();
    let own = std::process::id();
    for (line, why) in [
        (format!("stdio-child {own} /nowhere/at/all"), "No such file"),
        ("stdio-child 1 /bin/true".to_owned(), "is gone"),
        ("stdio-child x /bin/true".to_owned(), "usage"),
    ] {
        let (code, stdout, stderr) = run(folder.path(), &line);
        assert_eq!((code, stdout.as_str()), (1, ""), "{line}");
        assert!(
            stderr.starts_with("portcullis: cannot become the program: ") && stderr.contains(why),
            "{stderr}"
        );
    }
    let (_, help, _) = run(folder.path(), "--help");
    assert!(!help.contains("stdio-child"), "nobody types it");
}
