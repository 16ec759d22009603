//! Stories about commands that do one thing and end.

use crate::shell::{Server, folder, portcullis, refusal, run, run_with_password, told};

#[test]
fn a_wrong_setting_ends_with_one_sentence_and_code_2() {
    let folder = folder();
    std::fs::write(folder.path().join("portcullis.toml"), "listn = 1").unwrap();
    let (code, sentence) = refusal(folder.path(), "user list");
    assert_eq!(code, 2);
    assert_eq!(sentence, "portcullis: portcullis.toml has the unknown setting listn; did you mean listen?\n");
    std::fs::write(folder.path().join("portcullis.toml"), "log = \"info\"\nlisten = [").unwrap();
    let (code, sentence) = refusal(folder.path(), "serve");
    assert_eq!(code, 2);
    assert!(sentence.starts_with("portcullis: portcullis.toml, line 2, is not TOML: "), "{sentence}");
}

#[test]
fn a_wrong_variable_is_told_too() {
    let folder = folder();
    let mut command = portcullis(folder.path(), "serve");
    let (code, _, stderr) = told(command.env("PORTCULLIS_LISTNE", "x").output().unwrap());
    assert_eq!(code, 2);
    assert!(stderr.contains("did you mean PORTCULLIS_LISTEN?"), "{stderr}");
}

#[test]
fn a_question_asked_in_the_wrong_folder_creates_nothing_there() {
    let folder = folder();
    let (code, sentence) = refusal(folder.path(), "user list");
    assert_eq!(code, 1);
    assert!(sentence.contains("there is no database data/portcullis.db yet"), "{sentence}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_password_is_never_asked_for_where_nobody_can_answer() {
    let (code, sentence) = refusal(folder().path(), "user add --email ada@example.com");
    assert_eq!(code, 2);
    assert!(sentence.contains("--password-stdin"), "{sentence}");
}

#[test]
fn users_are_added_listed_shown_and_disabled() {
    let folder = folder();
    let password = "several words make a good one\n";
    let line = "user add --email ada@example.com --name Ada --admin --password-stdin --json";
    let (code, added, stderr) = run_with_password(folder.path(), line, password);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    assert_eq!((added["email"].as_str(), added["admin"].as_bool()), (Some("ada@example.com"), Some(true)));
    let (code, _, taken) = run_with_password(folder.path(), line, password);
    assert_eq!(code, 1);
    assert!(taken.starts_with("portcullis: there is already a user"), "{taken}");

    let (_, table, _) = run(folder.path(), "user list");
    assert!(table.contains("E-MAIL") && table.contains("ada@example.com"), "{table}");
    let (code, sentence) = refusal(folder.path(), "user disable ada@example.com");
    assert_eq!(code, 2);
    assert!(sentence.contains("say --yes to disable the user without asking"), "{sentence}");
    let (_, shown, _) = run(folder.path(), "user disable ada@example.com --yes --json");
    assert!(!serde_json::from_str::<serde_json::Value>(&shown).unwrap()["disabled_at"].is_null());
    let (_, shown, _) = run(folder.path(), "user enable --email ada@example.com");
    assert!(shown.contains("disabled"), "{shown}");
    let line = "user password ada@example.com --password-stdin";
    assert_eq!(run_with_password(folder.path(), line, "short").0, 1);
    assert_eq!(run_with_password(folder.path(), line, "several other words make another").0, 0);
    let (code, sentence) = refusal(folder.path(), "user show nobody@example.com");
    assert_eq!(code, 1);
    assert!(sentence.contains("nobody has the e-mail address nobody@example.com"), "{sentence}");
}

#[test]
fn clients_are_added_shown_rotated_and_removed_and_a_secret_is_shown_once() {
    let folder = folder();
    let line = "client add --name Portal --confidential --redirect-uri https://portal.example/cb --json";
    let (code, added, stderr) = run(folder.path(), line);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    let id = added["client_id"].as_str().unwrap();
    let secret = added["client_secret"].as_str().unwrap();
    assert!(secret.starts_with("pcl_cs_"));

    let (_, shown, _) = run(folder.path(), &format!("client show {id}"));
    assert!(shown.contains("https://portal.example/cb") && !shown.contains("pcl_cs_"), "{shown}");
    let (_, rotated, note) = run(folder.path(), &format!("client rotate-secret {id}"));
    assert!(rotated.contains("pcl_cs_") && !rotated.contains(secret), "{rotated}");
    assert!(note.contains("shown this once"), "{note}");
    assert_eq!(refusal(folder.path(), &format!("client remove {id}")).0, 2);
    assert_eq!(run(folder.path(), &format!("client remove {id} --yes")).0, 0);
    assert_eq!(run(folder.path(), "client list --json").1.trim(), "[]");
    let line = "client add --name Sign-in --redirect-uri https://rp.example/cb --id-token-alg ES256 \
                --post-logout-redirect-uri https://rp.example/out --backchannel-logout-uri";
    let (code, sentence) = refusal(folder.path(), &format!("{line} com.example.app:/out"));
    assert!(code == 2 && sentence.contains("must be an https:// URL"), "{sentence}");
    let (_, shown, _) = run(folder.path(), &format!("{line} https://rp.example/told"));
    for told in ["ES256", "https://rp.example/out", "https://rp.example/told"] {
        assert!(shown.contains(told), "{told} in {shown}");
    }
    let (code, sentence) = refusal(folder.path(), "client add --name X --redirect-uri http://x.example/cb");
    assert_eq!(code, 2);
    assert!(sentence.contains("cannot register http://x.example/cb"), "{sentence}");
}

#[test]
fn a_line_that_cannot_be_understood_names_what_was_meant() {
    let (code, _, stderr) = run(folder().path(), "sevre");
    assert_eq!(code, 2);
    assert!(stderr.starts_with("portcullis: ") && stderr.contains("'serve'"), "{stderr}");
    let (code, help, _) = run(folder().path(), "--help");
    assert_eq!(code, 0);
    assert!(help.contains("portcullis serve --demo"), "{help}");
}

#[test]
fn the_schema_is_brought_up_to_date_and_each_step_is_named_once() {
    let folder = folder();
    let (code, first, stderr) = run(folder.path(), "migrate");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(first.starts_with("applied 0001 database change\n"), "{first}");
    assert!(first.contains("The schema on SQLite is up to date: "), "{first}");
    assert_eq!(run(folder.path(), "migrate").1, "The schema on SQLite was up to date already.\n");
    let again: serde_json::Value = serde_json::from_str(&run(folder.path(), "migrate --json").1).unwrap();
    assert_eq!(again["applied"].as_array().unwrap().len(), 0);
}

#[test]
fn the_configuration_is_shown_without_its_password() {
    let folder = folder();
    let line = "--database-url postgres://ada:hunter2@db/x config show";
    let (code, table, _) = run(folder.path(), line);
    assert_eq!(code, 0);
    assert!(table.contains("postgres://ada:***@db/x") && table.contains("--database-url"), "{table}");
    let (_, json, _) = run(folder.path(), &format!("{line} --json"));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["access_token_seconds"]["value"], 600);
    assert!(!json.contains("hunter2"), "{json}");
}

#[test]
fn the_checklist_finds_the_demo_and_ends_with_code_1_when_something_fails() {
    let folder = folder();
    let demo = Server::start(folder.path(), "serve --demo --listen localhost:0");
    let (code, json, _) = run(folder.path(), "config check --json");
    assert_eq!(code, 0, "{json}");
    let findings: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let verdict =
        |check: &str| findings.iter().find(|finding| finding["check"] == check).unwrap()["verdict"].clone();
    assert_eq!(verdict("demo account"), "warn");
    assert_eq!(verdict("database"), "ok");
    assert_eq!(verdict("database file"), "ok");
    assert!(demo.stop("-TERM").0);

    let settings = "public_url = \"https://mcp.example\"\nbehind_tls_proxy = true";
    std::fs::write(folder.path().join("portcullis.toml"), settings).unwrap();
    let (code, text, stderr) = run(folder.path(), "config check");
    assert_eq!(code, 1);
    assert!(text.contains("fail  demo account"), "{text}");
    assert!(text.contains("→ run `portcullis user disable demo@portcullis.localhost`"), "{text}");
    assert_eq!(stderr, "portcullis: 1 check failed; what to do stands beside it\n");
}

#[test]
fn a_shell_can_complete_what_is_typed() {
    let folder = folder();
    std::fs::write(folder.path().join("portcullis.toml"), "listn = 1").unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = run(folder.path(), &format!("completions {shell}"));
        assert_eq!(code, 0, "even where the configuration is wrong");
        assert!(script.contains("rotate-secret"), "{shell}");
    }
}

/// OA21-4.2-1, OA21-7.4-1
#[test]
fn a_client_that_acts_for_itself_is_added_shown_and_disabled() {
    let folder = folder();
    let add = "client add --name Job --grant client_credentials --scope mcp.tools.read --json";
    let (code, sentence) = refusal(folder.path(), add);
    assert_eq!(code, 2);
    assert!(
        sentence.contains("client_credentials is for clients that keep a secret; add --confidential"),
        "{sentence}"
    );
    let (code, added, stderr) = run(folder.path(), &format!("{add} --confidential"));
    assert_eq!((code, stderr.as_str()), (0, ""));
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    let (id, principal) = (added["client_id"].as_str().unwrap(), added["principal"].as_str().unwrap());
    assert!(principal.starts_with("machine_"), "{principal}");
    assert!(added["client_secret"].as_str().unwrap().starts_with("pcl_cs_"));
    let (_, shown, _) = run(folder.path(), &format!("client show {id}"));
    assert!(shown.contains(&format!("acts for itself as  {principal}")), "{shown}");
    let (code, sentence) = refusal(folder.path(), &format!("client disable {id}"));
    assert_eq!(code, 2);
    assert!(sentence.contains("say --yes to disable the client without asking"), "{sentence}");
    let (_, shown, _) = run(folder.path(), &format!("client disable {id} --yes --json"));
    assert!(!serde_json::from_str::<serde_json::Value>(&shown).unwrap()["disabled_at"].is_null());
    let (_, shown, _) = run(folder.path(), &format!("client enable {id} --json"));
    assert!(serde_json::from_str::<serde_json::Value>(&shown).unwrap()["disabled_at"].is_null());
}

/// R7591-3-1: an invitation's token is shown once, and what is not good any more is not listed
#[test]
fn an_invitation_is_made_listed_and_taken_back() {
    let folder = folder();
    let (code, token, note) = run(folder.path(), "client invite --note Partner --uses 3 --days 2");
    assert_eq!(code, 0, "{note}");
    assert!(token.starts_with("pcl_ia_") && note.contains("shown this once"), "{token}{note}");
    let (_, listed, _) = run(folder.path(), "client invitations --json");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["note"], &listed[0]["uses_left"]), (&"Partner".into(), &3.into()));
    let id = listed[0]["id"].as_str().unwrap();
    let (_, table, _) = run(folder.path(), "client invitations");
    assert!(table.contains(id) && !table.contains("pcl_ia_"), "{table}");
    assert_eq!(run(folder.path(), &format!("client uninvite {id}")).0, 0);
    let (code, sentence) = refusal(folder.path(), &format!("client uninvite {id}"));
    assert_eq!(code, 1);
    assert!(sentence.contains("no invitation is called"), "{sentence}");
    assert_eq!(run(folder.path(), "client invitations --json").1.trim(), "[]");
    assert_eq!(run(folder.path(), "client invite --uses 0").0, 2);
    let (_, made, _) = run(folder.path(), "client invite --json");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert!(made["initial_access_token"].as_str().unwrap().starts_with("pcl_ia_"));
}
/// What an admin reads of an attempt, and of none.
#[test]
fn attempts_are_listed_and_one_that_is_not_there_is_said_so() {
    let folder = folder();
    assert_eq!(refusal(folder.path(), "attempts list").0, 1, "no database yet, and none is made");
    run(folder.path(), "migrate");
    assert_eq!(run(folder.path(), "attempts list").1.trim(), "No such attempt within the last week.");
    let (_, listed, _) = run(folder.path(), "attempts list --failed --since 1h --json");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed, serde_json::json!({"attempts": [], "next": null}));
    let (code, sentence) = refusal(folder.path(), "attempts show 7K3QW-XMP4T");
    assert_eq!(code, 1);
    assert!(sentence.contains("no attempt or request of the last week has the id 7K3QW-XMP4T"), "{sentence}");
    assert!(
        refusal(folder.path(), "attempts list --user nobody@example.com")
            .1
            .contains("nobody has the e-mail address")
    );
}

/// A18, DC-22: a client is added with a public key, given another one, and shown by thumbprint
#[test]
fn a_client_with_a_key_is_added_shown_and_given_another_key() {
    let folder = folder();
    let key = |x: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
    std::fs::write(folder.path().join("old.jwk"), key("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))
        .unwrap();
    std::fs::write(folder.path().join("secret.jwk"), r#"{"kty":"OKP","crv":"Ed25519","d":"AA","x":"AA"}"#)
        .unwrap();
    let add = "client add --name Agent --grant client_credentials --scope mcp.tools.read --json --jwks";
    let (code, sentence) = refusal(folder.path(), &format!("{add} secret.jwk"));
    assert_eq!(
        (code, sentence.as_str()),
        (2, "portcullis: secret.jwk: jwks: the key holds private members\n")
    );
    let (code, added, stderr) = run(folder.path(), &format!("{add} old.jwk"));
    assert_eq!((code, stderr.as_str()), (0, ""));
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    assert_eq!(added["metadata"]["token_endpoint_auth_method"], "private_key_jwt");
    assert_eq!((&added["has_secret"], added.get("client_secret")), (&false.into(), None));
    let id = added["client_id"].as_str().unwrap();
    let (_, shown, _) = run(folder.path(), &format!("client show {id}"));
    assert!(
        shown.contains("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        "the thumbprint of RFC 8037: {shown}"
    );
    let line = format!("client set-keys {id} --jwks-uri https://agent.example/jwks --yes --json");
    let (_, replaced, _) = run(folder.path(), &line);
    let replaced: serde_json::Value = serde_json::from_str(&replaced).unwrap();
    assert_eq!(replaced["metadata"]["jwks_uri"], "https://agent.example/jwks");
    assert_eq!(replaced["metadata"].get("jwks"), None);
    let (_, switched, _) = run(folder.path(), &format!("client assertion-audience {id} token-url --json"));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&switched).unwrap()["assertion_audience"],
        "token-url"
    );
    let (code, sentence) = refusal(folder.path(), &format!("client rotate-secret {id}"));
    assert_eq!(code, 1);
    assert!(sentence.contains("a client without a secret"), "{sentence}");
}
