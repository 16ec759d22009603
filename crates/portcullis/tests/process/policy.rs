//! Stories about `policy`, `group` and `tool`, as somebody at a shell sees them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::shell::{Server, folder, refusal, run, run_with_password};

const POLICY: &str = "@id(\"owners\") @reason(\"Yours.\") permit (principal, action, resource) when { principal.id == resource.owner };\n\
    @id(\"agents_read\") @reason(\"Agents read.\")\n\
    forbid (principal in Group::\"agents\", action == Action::\"callTool\", resource) unless { resource.risk == Risk::\"read\" };\n";
const CASES: &str = "[[case]]\nname = \"an agent writes\"\nwho = { groups = [\"agents\"] }\ntool = { name = \"create_x\" }\n\
    expect = \"deny\"\nrule = \"agents_read\"\n";

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn json(folder: &Path, line: &str) -> Value {
    let (code, told, stderr) = run(folder, line);
    assert_eq!((code, stderr.as_str()), (0, ""), "{line}");
    serde_json::from_str(&told).unwrap()
}

/// A policy is checked and tried as a file, activated, compared and taken back
#[test]
fn a_policy_is_checked_tried_activated_compared_and_taken_back() {
    let folder = folder();
    let (policy, cases) = (write(folder.path(), "team.cedar", POLICY), CASES);
    write(folder.path(), "team.toml", cases);
    assert!(run(folder.path(), &format!("policy check {policy}")).1.contains("2 policies, no problem"));
    assert_eq!(run(folder.path(), &format!("policy test {policy}")).1.trim(), "ok     an agent writes");
    let wrong = write(
        folder.path(),
        "wrong.cedar",
        "@id(\"a\") @reason(\"b\")\npermit (principal, action, resource)\nwhen { resource.risc == 1 };\n",
    );
    let (code, told, stderr) = run(folder.path(), &format!("policy check {wrong}"));
    assert_eq!(code, 1);
    assert!(told.contains("wrong.cedar:3:8") && stderr.contains("cannot be activated"), "{told}{stderr}");
    let more = write(folder.path(), "more.toml", &cases.replace("\"deny\"", "\"allow\""));
    let (code, told, stderr) = run(folder.path(), &format!("policy test {policy} --cases {more}"));
    assert_eq!(code, 1);
    assert!(told.starts_with("WRONG  an agent writes: expected allow, got deny by `agents_read`"), "{told}");
    assert!(stderr.contains("1 of 1 cases went otherwise"), "{stderr}");

    run(folder.path(), "migrate");
    let first = json(folder.path(), &format!("policy activate {policy} --note team --json"));
    assert_eq!((&first["version"], &first["note"]), (&1.into(), &"team".into()));
    assert_eq!(run(folder.path(), "policy show").1.trim(), POLICY.trim());
    let difference = run(folder.path(), "policy diff 0").1;
    assert!(
        difference.contains("+@id(\"agents_read\")") && difference.contains("--- version 0"),
        "{difference}"
    );
    let (code, sentence) = refusal(folder.path(), "policy rollback 0");
    assert!(code == 2 && sentence.contains("--yes"), "{sentence}");
    assert_eq!(run(folder.path(), "policy rollback 0 --yes").0, 0);
    let versions = json(folder.path(), "policy versions --json");
    let numbers: Vec<i64> =
        versions.as_array().unwrap().iter().map(|one| one["version"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [2, 1, 0]);
    let (code, sentence) = refusal(folder.path(), "policy show 9");
    assert!(code == 1 && sentence.contains("there is no version 9"), "{sentence}");
}

/// T30: what is decided for somebody is explained, by every rule that took part; a block is among them at once
#[test]
fn a_decision_is_explained() {
    let folder = folder();
    let _server = Server::start(folder.path(), "serve --demo --listen localhost:0");
    let explain = |tool: &str| {
        let line = "policy explain --user demo@portcullis.localhost --connection sandbox --json --tool";
        json(folder.path(), &format!("{line} {tool}"))
    };
    let told = explain("create_note");
    assert_eq!((&told["decision"], &told["rule"]), (&"needs 2".into(), &"approval_needed".into()));
    assert_eq!(told["parts"][1]["rule"], "owners");
    assert_eq!(explain("echo")["decision"], "allow");
    json(folder.path(), "tool block echo --server sandbox --json");
    assert_eq!(explain("echo")["rule"], "blocked");
    let (code, table, _) = run(
        folder.path(),
        "policy explain --user demo@portcullis.localhost --connection sandbox --tool echo",
    );
    assert!(code == 0 && table.contains("An administrator blocked this."), "{table}");
    let line = "policy explain --user demo@portcullis.localhost --connection sandbox --tool create_note";
    let table = run(folder.path(), line).1;
    assert!(table.contains("that the user agrees, signed in here"), "{table}");
    for (asked, rule) in
        [("--list", "not_forbidden"), ("--manage", "not_forbidden"), ("--prompt review", "owners")]
    {
        let line = "policy explain --user demo@portcullis.localhost --connection sandbox --json";
        let told = json(folder.path(), &format!("{line} {asked}"));
        assert_eq!((&told["decision"], &told["rule"]), (&"allow".into(), &rule.into()), "{asked}");
    }
}

/// Groups have members, blocks have places, and what is wrong is said in a sentence
#[test]
fn groups_and_blocks_are_kept_by_command() {
    let folder = folder();
    run(folder.path(), "migrate");
    let policy = write(folder.path(), "team.cedar", POLICY);
    json(folder.path(), &format!("policy activate {policy} --json"));
    let line = "user add --email ada@example.com --password-stdin";
    let (code, _, stderr) = run_with_password(folder.path(), line, "correct horse battery staple");
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(json(folder.path(), "group add agents --about Robots --json")[0]["name"], "agents");
    let members = json(folder.path(), "group member agents --add ada@example.com --json");
    assert_eq!(members[0]["email"], "ada@example.com");
    assert_eq!(json(folder.path(), "group list --json")[0]["members"], 1);
    let (_, sentence) = refusal(folder.path(), "group member agents --add nobody@example.com");
    assert!(sentence.contains("nobody is nobody@example.com"), "{sentence}");
    let (_, sentence) = refusal(folder.path(), "group add Agents");
    assert!(sentence.contains("small letters"), "{sentence}");
    json(folder.path(), "tool block get_x --note odd --json");
    assert_eq!(json(folder.path(), "tool blocked --json")[0]["tool"], "get_x");
    let (_, sentence) =
        refusal(folder.path(), "policy explain --user ada@example.com --connection none --tool x");
    assert!(sentence.contains("is called none"), "{sentence}");
    json(folder.path(), "tool unblock get_x --json");
    let (_, sentence) = refusal(folder.path(), "tool unblock get_x");
    assert!(sentence.contains("is not blocked anywhere"), "{sentence}");
    assert_eq!(run(folder.path(), "group remove agents --yes").0, 0);
    let (_, sentence) = refusal(folder.path(), "group member agents");
    assert!(sentence.contains("there is no group agents"), "{sentence}");
}

/// A policy is held against the past before it holds; without a past there is nothing to change
#[test]
fn a_policy_is_replayed() {
    let folder = folder();
    run(folder.path(), "migrate");
    let policy = write(folder.path(), "team.cedar", POLICY);
    let (code, told, stderr) = run(folder.path(), &format!("policy replay {policy}"));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(told, "There was nothing to replay: no call was recorded in that time.\n");
    let report = json(folder.path(), &format!("policy replay {policy} --since 30d --json"));
    assert_eq!((&report["calls"], &report["undecidable"]["redacted"]), (&0.into(), &0.into()));
    let wrong = write(folder.path(), "wrong.cedar", "permit (principal, action, resource);");
    assert_eq!(run(folder.path(), &format!("policy replay {wrong}")).0, 1);
}
