//! Stories about `resource` and `token revoke`, as somebody at a shell sees them.

use crate::shell::{folder, refusal, run, run_with_password};

/// The line's words, in which `_` stands for a space.
fn words(folder: &std::path::Path, line: &str) -> (i32, String, String) {
    let mut command = crate::shell::portcullis(folder, "");
    command.args(line.split_whitespace().map(|word| word.replace('_', " ")));
    crate::shell::told(command.output().unwrap())
}

#[test]
fn resources_are_added_shown_rotated_and_removed_and_a_secret_is_shown_once() {
    let folder = folder();
    let line = "resource add --uri https://Notes.example/mcp --name Team_notes --default-scope notes.read=Read_your_notes. \
                --scope notes.write=Change_them. --json";
    let (code, added, stderr) = words(folder.path(), line);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    assert_eq!(added["uri"], "https://notes.example/mcp");
    assert_eq!(added["scopes"][0]["about"], "Read your notes.");
    let secret = added["client_secret"].as_str().unwrap();
    assert!(secret.starts_with("pcl_cs_"));
    let (code, _, taken) = words(folder.path(), line);
    assert_eq!(code, 1);
    assert!(taken.contains("there is already a resource with this URI"), "{taken}");

    let (_, table, _) = run(folder.path(), "resource list");
    assert!(table.contains("https://notes.example/mcp") && table.contains("Team notes"), "{table}");
    let (_, shown, _) = run(folder.path(), "resource show https://notes.example/mcp");
    assert!(
        shown.contains("notes.read (default): Read your notes.") && !shown.contains("pcl_cs_"),
        "{shown}"
    );
    let (_, rotated, note) = run(folder.path(), "resource rotate-secret https://notes.example/mcp");
    assert!(rotated.contains("pcl_cs_") && !rotated.contains(secret), "{rotated}");
    assert!(note.contains("shown this once"), "{note}");
    assert_eq!(refusal(folder.path(), "resource remove https://notes.example/mcp").0, 2);
    assert_eq!(run(folder.path(), "resource remove https://notes.example/mcp --yes").0, 0);
    assert_eq!(run(folder.path(), "resource list --json").1.trim(), "[]");
    assert_eq!(refusal(folder.path(), "resource show https://notes.example/mcp").0, 1);
}

/// A28: what a client that acts for itself may do at a registered server has that server's words, and no others
#[test]
fn a_client_may_be_given_the_scopes_of_a_registered_resource() {
    let folder = folder();
    let client = |scope: &str| {
        let line = "client add --confidential --name Job --grant client_credentials --resource https://notes.example/mcp --scope";
        run(folder.path(), &format!("{line} {scope} --json"))
    };
    let (code, _, refused) = client("notes.read");
    assert_eq!(code, 2);
    assert!(refused.contains("a scope that this server does not know"), "{refused}");
    let resource = "resource add --uri https://notes.example/mcp --name Notes --scope notes.read=Read.";
    assert_eq!(words(folder.path(), resource).0, 0);
    let (code, added, note) = client("notes.read");
    assert_eq!((code, note.as_str()), (0, ""));
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    assert_eq!(
        (&added["metadata"]["scope"], &added["resources"][0]),
        (&"notes.read".into(), &"https://notes.example/mcp".into())
    );
    let (code, _, refused) = client("notes.write");
    assert_eq!(code, 2);
    assert!(refused.contains("it knows: admin.read") && refused.contains("notes.read"), "{refused}");
}

/// R9728-2-1, R8707-2-1
#[test]
fn what_cannot_be_a_resource_is_refused_in_one_sentence() {
    let folder = folder();
    let refused = |uri: &str, scope: &str| {
        let (code, _, sentence) =
            words(folder.path(), &format!("resource add --uri {uri} --name N --scope {scope}"));
        assert_eq!((code, sentence.lines().count()), (2, 1), "{sentence}");
        sentence
    };
    assert!(refused("http://notes.example/mcp", "a=A").contains("a resource is an https:// URL"));
    assert!(refused("https://notes.example/#x", "a=A").contains("without fragment"));
    assert!(refused("http://localhost:8420/mcp/work", "a=A").contains("is this server's own"));
    assert!(refused("https://notes.example/mcp", "mcp.tools.read=A").contains("is this server's own"));
    assert!(refused("https://notes.example/mcp", "openid=A").contains("is this server's own"));
    assert!(refused("https://notes.example/mcp", "a\"b=A").contains("scope a\"b"));
    assert!(
        refused("https://notes.example/mcp", "a=A --access-token-seconds 1").contains("60 to 86400 seconds")
    );
    let (code, sentence) = refusal(folder.path(), "resource add --uri https://n.example/mcp --name N");
    assert_eq!(code, 2);
    assert!(sentence.contains("a resource has 1 to 50 scopes"), "{sentence}");
}

#[test]
fn nothing_is_revoked_without_a_name_or_a_yes() {
    let folder = folder();
    run(folder.path(), "migrate");
    let (code, sentence) = refusal(folder.path(), "token revoke");
    assert_eq!(code, 2);
    assert!(sentence.contains("nothing says what to revoke"), "{sentence}");
    let (code, _, sentence) = run_with_password(folder.path(), "token revoke --token-stdin", "pcl_at_x\n");
    assert_eq!(code, 2);
    assert!(sentence.contains("say --yes to revoke without asking"), "{sentence}");
    let (code, _, sentence) = run_with_password(folder.path(), "token revoke --yes", "pcl_at_x\n");
    assert_eq!(code, 1);
    assert_eq!(sentence, "portcullis: nothing was revoked: nothing of it is live here\n");
    let (code, sentence) = refusal(folder.path(), "token revoke --user nobody@example.com --yes");
    assert_eq!(code, 1);
    assert!(sentence.contains("nobody has the e-mail address"), "{sentence}");
}
