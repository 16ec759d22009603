//! Stories about `approvals`, as somebody at a shell sees them.

use std::fs;

use crate::shell::{folder, refusal, run, run_with_password};

/// Nobody decides at the shell unless that was switched on, and then with their own password
#[test]
fn deciding_at_the_shell_is_off_and_wants_a_password() {
    let folder = folder();
    run(folder.path(), "migrate");
    let (code, told, _) = run(folder.path(), "approvals list --state pending --json");
    assert_eq!((code, told.trim()), (0, "[]"));
    assert!(refusal(folder.path(), "approvals show apr_x").1.contains("there is no such approval"));
    let approve = "approvals approve apr_x --as ada@example.com --password-stdin";
    let (code, sentence) = refusal(folder.path(), approve);
    assert!(code == 1 && sentence.contains("approvals_allow_command = true"), "{sentence}");
    fs::write(folder.path().join("portcullis.toml"), "approvals_allow_command = true\n").unwrap();
    let add = "user add --email ada@example.com --name Ada --password-stdin";
    assert_eq!(run_with_password(folder.path(), add, "seven green lorries parked").0, 0);
    let (code, _, told) = run_with_password(folder.path(), approve, "eight green lorries parked");
    assert!(code == 1 && told.contains("the password is wrong"), "{told}");
    let (code, _, told) = run_with_password(folder.path(), approve, "seven green lorries parked");
    assert!(code == 1 && told.contains("there is no such approval"), "{told}");
}
