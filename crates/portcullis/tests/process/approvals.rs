//! Stories about `approvals`, as somebody at a shell sees them.

use std::fs;

use serde_json::Value;

use crate::shell::{folder, refusal, run, run_with_password};

const ADD_ADA: &str = "user add --email ada@example.com --name Ada --password-stdin";

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
    assert_eq!(run_with_password(folder.path(), ADD_ADA, "seven green lorries parked").0, 0);
    let (code, _, told) = run_with_password(folder.path(), approve, "eight green lorries parked");
    assert!(code == 1 && told.contains("the password is wrong"), "{told}");
    let (code, _, told) = run_with_password(folder.path(), approve, "seven green lorries parked");
    assert!(code == 1 && told.contains("there is no such approval"), "{told}");
}

/// Who may decide for others belongs to the group of approvers, from whichever side it is looked at
#[test]
fn an_approver_belongs_to_a_group() {
    let folder = folder();
    run(folder.path(), "migrate");
    assert_eq!(run_with_password(folder.path(), ADD_ADA, "seven green lorries parked").0, 0);
    let told = |line: &str| {
        let (code, told, problem) = run(folder.path(), line);
        assert_eq!(code, 0, "{line}: {problem}");
        serde_json::from_str::<Value>(&told).unwrap()
    };
    let shown = "user permissions ada@example.com --json";
    assert_eq!(told(shown)["approver"], false);
    // Nobody is taken out of what is not there yet.
    assert_eq!(told("user permissions ada@example.com --remove approver --json")["approver"], false);
    for _ in 0..2 {
        assert_eq!(told("user permissions ada@example.com --add approver --json")["approver"], true);
    }
    assert_eq!(told("group member approvers --json")[0]["email"], "ada@example.com");
    told("group member approvers --remove ada@example.com --json");
    assert_eq!(told(shown)["approver"], false);
    assert_eq!(told("user permissions ada@example.com --add approver --json")["approver"], true);
    assert_eq!(told("user permissions ada@example.com --remove approver --json")["approver"], false);
    assert!(told("group member approvers --json").as_array().unwrap().is_empty());
    let (_, sentence) = refusal(folder.path(), "user permissions bob@example.com --add approver");
    assert!(sentence.contains("nobody has the e-mail address bob@example.com"), "{sentence}");
    assert_eq!(run(folder.path(), "user permissions ada@example.com --add admin").0, 2);
}
