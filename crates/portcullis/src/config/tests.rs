//! Stories about settings: which source wins, and what a person reads who got one wrong.

use portcullis_authorization_server::Registration;
use std::path::Path;

use super::*;

/// Settings from a file with this text, these variables and these flags.
fn load(file: &str, environment: &[(&str, &str)], flags: Flags) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.toml");
    std::fs::write(&path, file).unwrap();
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sources = Sources { environment, flags: Flags { config: Some(path), ..flags } };
    let folder = folder.path().display().to_string() + "/";
    Config::load(&sources).map_err(|problem| problem.to_string().replace(&folder, ""))
}

fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
    load(file, environment, Flags::default()).unwrap_err()
}

/// HTTP25-3: on this computer alone unless somebody says otherwise
#[test]
fn nothing_needs_to_be_set() {
    let config = load("", &[], Flags::default()).unwrap();
    assert_eq!(config.data_dir, Path::new("data"));
    assert_eq!(config.database_url.file(), Some(Path::new("data/portcullis.db")));
    let addresses: Vec<String> = config.listen.iter().map(|listen| listen.address.to_string()).collect();
    assert_eq!(addresses, ["127.0.0.1:8420", "[::1]:8420"]);
    assert_eq!(config.assumed_public_url().unwrap().as_str(), "http://localhost:8420");
    assert_eq!(config.access_token, Seconds(600));
    assert_eq!((config.refresh_idle, config.refresh_absolute), (Seconds::days(30), Seconds::days(90)));
    assert!(config.registration == Registration::Open && !config.behind_tls_proxy);
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let file = "data_dir = \"file\"\naccess_token_seconds = 60\nrefresh_grace_seconds = 5\nlisten = [\"127.0.0.1:1\"]";
    let environment = [("PORTCULLIS_DATA_DIR", "variable"), ("PORTCULLIS_ACCESS_TOKEN_SECONDS", "90")];
    let flags =
        Flags { data_dir: Some("flag".into()), listen: vec!["localhost:9000".into()], ..Flags::default() };
    let config = load(file, &environment, flags).unwrap();
    assert_eq!(config.data_dir, Path::new("flag"));
    assert_eq!(config.database_url.file(), Some(Path::new("flag/portcullis.db")));
    assert_eq!(config.access_token, Seconds(90));
    assert_eq!(config.refresh_grace, Seconds(5));
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.assumed_public_url().unwrap().as_str(), "http://localhost:9000");
}

#[test]
fn a_database_url_that_was_meant_for_anybody_is_weaker_than_one_meant_for_us() {
    let common = ("DATABASE_URL", "postgres://common");
    let url = |file: &str, environment: &[(&str, &str)]| {
        load(file, environment, Flags::default()).unwrap().database_url.expose().to_owned()
    };
    assert_eq!(url("", &[common]), "postgres://common");
    assert_eq!(url("database_url = \"sqlite:x.db\"", &[common]), "sqlite:x.db");
    assert_eq!(url("", &[common, ("PORTCULLIS_DATABASE_URL", "postgres://ours")]), "postgres://ours");
}

#[test]
fn lists_in_variables_are_separated_by_commas() {
    let environment = [
        ("PORTCULLIS_LISTEN", "127.0.0.1:1, [::1]:2"),
        ("PORTCULLIS_ALLOWED_ORIGINS", "https://a.example,HTTPS://B.example/"),
        ("PORTCULLIS_TEST_POSTGRES", "not ours"),
        ("PORTCULLIS_LOG", ""),
    ];
    let config = load("", &environment, Flags::default()).unwrap();
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.allowed_origins, ["https://a.example", "https://b.example"]);
}

#[test]
fn an_unknown_setting_names_the_nearest_known_one() {
    insta::assert_snapshot!(refusal("listn = [\"127.0.0.1:1\"]", &[]), @"portcullis.toml has the unknown setting listn; did you mean listen?");
    insta::assert_snapshot!(refusal("[database]\nurl = \"x\"", &[]), @"portcullis.toml has the unknown setting database; did you mean database_url?");
    insta::assert_snapshot!(refusal("", &[("PORTCULLIS_PUBLICURL", "x")]), @"the environment variable PORTCULLIS_PUBLICURL is no setting; did you mean PORTCULLIS_PUBLIC_URL?");
}

#[test]
fn a_file_that_is_not_toml_is_told_by_its_line() {
    let sentence = refusal("log = \"info\"\nlisten = [\n", &[]);
    assert!(sentence.starts_with("portcullis.toml, line 2, is not TOML: "), "{sentence}");
    let sentence = refusal("log = \"info\"\n\npublic_url http://localhost", &[]);
    assert!(sentence.starts_with("portcullis.toml, line 3, is not TOML: "), "{sentence}");
    assert_eq!(sentence.lines().count(), 1);
}

#[test]
fn a_value_of_the_wrong_sort_is_told_by_its_setting() {
    insta::assert_snapshot!(refusal("access_token_seconds = \"soon\"", &[]), @"portcullis.toml: access_token_seconds must be a whole number, such as 600");
    insta::assert_snapshot!(refusal("listen = \"127.0.0.1:1\"", &[]), @r#"portcullis.toml: listen must be a list of texts, such as ["…", "…"]"#);
    insta::assert_snapshot!(refusal("behind_tls_proxy = 1", &[]), @"portcullis.toml: behind_tls_proxy must be true or false");
    insta::assert_snapshot!(refusal("log = 3", &[]), @"portcullis.toml: log must be a text in quotation marks");
    insta::assert_snapshot!(refusal("", &[("PORTCULLIS_REFRESH_IDLE_DAYS", "soon")]), @"PORTCULLIS_REFRESH_IDLE_DAYS must be a whole number, such as PORTCULLIS_REFRESH_IDLE_DAYS=600");
    insta::assert_snapshot!(refusal("", &[("PORTCULLIS_BEHIND_TLS_PROXY", "yes")]), @"PORTCULLIS_BEHIND_TLS_PROXY must be true or false");
}

#[test]
fn a_value_that_cannot_be_is_told_with_what_could_be() {
    insta::assert_snapshot!(refusal("access_token_seconds = 0", &[]), @"access_token_seconds must be between 1 and 86400, not 0");
    insta::assert_snapshot!(refusal("refresh_absolute_days = 7", &[]), @"refresh_absolute_days must not be less than refresh_idle_days");
    insta::assert_snapshot!(refusal("sign_ins_per_minute = 0", &[]), @"sign_ins_per_minute must be between 1 and 1000000, not 0");
    insta::assert_snapshot!(refusal("max_connections = 1000001", &[]), @"max_connections must be between 1 and 1000000, not 1000001");
    insta::assert_snapshot!(refusal("openid = \"yes\"", &[]), @"openid must be off or on, not yes");
    insta::assert_snapshot!(refusal("registration = \"closed\"", &[]), @"registration must be open, token or off, not closed");
    insta::assert_snapshot!(refusal("client_documents = \"yes\"", &[]), @"client_documents must be open, ask or off, not yes");
    insta::assert_snapshot!(refusal("private_hosts = [\"Tools.internal\"]", &[]), @"each of private_hosts must be a host in lower case, such as tools.internal or 10.0.0.7, not Tools.internal");
    insta::assert_snapshot!(refusal("signing_algorithm = \"HS256\"", &[]), @"signing_algorithm must be ES256, EdDSA or RS256, not HS256");
    insta::assert_snapshot!(refusal("listen = [\"8420\"]", &[]), @"cannot listen on 8420: write an address and a port, such as 127.0.0.1:8420, [::1]:8420 or localhost:8420");
    insta::assert_snapshot!(refusal("allowed_origins = [\"app\"]", &[]), @"each of allowed_origins must be an absolute http:// or https:// URL such as https://mcp.example.com, not app");
    assert!(refusal("log = \"=,=\"", &[]).starts_with("log must be error, warn,"));
}

/// R8414-2-1, DC-13
#[test]
fn the_public_url_is_https_unless_it_is_this_computer() {
    insta::assert_snapshot!(refusal("public_url = \"https://h/portcullis\"", &[]), @"public_url must be a bare origin: scheme, host and, if not the default, port, not https://h/portcullis");
    assert!(
        refusal("public_url = \"http://mcp.example\"", &[]).contains("plain http is for this computer only")
    );
    assert!(refusal("public_url = \"https://mcp.example\"", &[]).contains("behind_tls_proxy = true"));
    let behind = load("public_url = \"https://mcp.example\"\nbehind_tls_proxy = true", &[], Flags::default());
    assert_eq!(behind.unwrap().public_url_on(1).unwrap().as_str(), "https://mcp.example");
}

/// OA21-1.5-1
#[test]
fn tls_needs_two_files_and_makes_everything_https() {
    let both = "tls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n";
    let config = load(both, &[], Flags::default()).unwrap();
    assert_eq!(config.tls.as_ref().unwrap().key, Path::new("k.pem"));
    assert_eq!(config.assumed_public_url().unwrap().as_str(), "https://localhost:8420");
    let published = load(&format!("{both}public_url = \"https://mcp.example\""), &[], Flags::default());
    assert!(!published.unwrap().behind_tls_proxy);
    let mixed = Flags { tls_key: Some("k.pem".into()), ..Flags::default() };
    assert!(load("tls_certificate = \"c.pem\"", &[], mixed).unwrap().tls.is_some());
    insta::assert_snapshot!(refusal("tls_certificate = \"c.pem\"", &[]), @"tls_certificate needs tls_key: the PEM file with the certificate's private key");
    insta::assert_snapshot!(refusal("", &[("PORTCULLIS_TLS_KEY", "k.pem")]), @"tls_key needs tls_certificate: the PEM file with the key's certificate");
    insta::assert_snapshot!(refusal(&format!("{both}public_url = \"http://localhost:1\""), &[]), @"public_url is http://localhost:1, but with tls_certificate Portcullis speaks https only: write https:// there, or leave tls_certificate and tls_key out");
}

/// R9700-4.13-1
#[test]
fn proxies_are_listed_by_address_or_network() {
    let environment = [("PORTCULLIS_TRUSTED_PROXIES", "192.0.2.7, fd00::/8")];
    let proxies = load("", &environment, Flags::default()).unwrap().trusted_proxies;
    assert_eq!(proxies.iter().map(Network::to_string).collect::<Vec<_>>(), ["192.0.2.7/32", "fd00::/8"]);
    insta::assert_snapshot!(refusal("trusted_proxies = [\"nginx\"]", &[]), @"each of trusted_proxies must be an address or a network, such as 192.0.2.7, 10.0.0.0/8 or fd00::/8, not nginx");
}

#[test]
fn the_demo_is_for_this_computer_only() {
    let behind = "public_url = \"https://mcp.example\"\nbehind_tls_proxy = true";
    let refused = load(behind, &[], Flags::default()).unwrap().check_demo().unwrap_err();
    assert!(refused.to_string().contains("--demo is for this computer only"), "{refused}");
    load("public_url = \"http://127.0.0.1:1\"", &[], Flags::default()).unwrap().check_demo().unwrap();
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let flags = Flags { config: Some("/nowhere/p.toml".into()), ..Flags::default() };
    let problem = Config::load(&Sources { environment: Vec::new(), flags }).unwrap_err().to_string();
    assert!(problem.starts_with("cannot read the configuration /nowhere/p.toml: "), "{problem}");
}

/// A file in `folder`, the environment and flags, which all say something.
fn three_sources(folder: &Path) -> Sources {
    let path = folder.join("p.toml");
    std::fs::write(&path, "log = \"debug\"\nlisten = [\"127.0.0.1:1\"]\nrefresh_idle_days = 7").unwrap();
    let environment = [
        ("DATABASE_URL", "postgres://u:hunter2@h/d"),
        ("PORTCULLIS_LISTEN", "127.0.0.1:2"),
        ("PORTCULLIS_TLS_KEY", ""),
    ];
    Sources {
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        flags: Flags { config: Some(path), data_dir: Some("d".into()), ..Flags::default() },
    }
}

#[test]
fn every_setting_is_shown_with_who_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let sources = three_sources(folder.path());
    let shown = show(&Config::load(&sources).unwrap(), &sources).unwrap();
    let lines = shown.iter().map(|shown| format!("{} = {} ({})", shown.name, shown.value, shown.origin));
    let text = lines.collect::<Vec<_>>().join("\n").replace(&format!("{}/", folder.path().display()), "");
    insta::assert_snapshot!(text, @r#"
    data_dir = "d" (--data-dir)
    database_url = "postgres://u:***@h/d" (DATABASE_URL)
    master_key_file = "d/master.key" (default)
    master_key_command = null (default)
    master_key = null (default)
    listen = ["127.0.0.1:2"] (PORTCULLIS_LISTEN)
    public_url = "http://localhost:2" (default)
    behind_tls_proxy = false (default)
    tls_certificate = null (default)
    tls_key = null (default)
    trusted_proxies = [] (default)
    allowed_origins = [] (default)
    access_token_seconds = 600 (default)
    refresh_idle_days = 7 (p.toml)
    refresh_absolute_days = 90 (default)
    refresh_grace_seconds = 120 (default)
    registration = "open" (default)
    client_documents = "open" (default)
    private_hosts = [] (default)
    outbound_seconds = 5 (default)
    registrations_per_minute = 120 (default)
    authorizations_per_minute = 300 (default)
    sign_ins_per_minute = 300 (default)
    user_calls_per_minute = 60 (default)
    user_lists_per_minute = 120 (default)
    user_tool_calls_per_minute = 10 (default)
    limits_in = "engine" (default)
    max_connections = 10000 (default)
    require_par = false (default)
    signing_algorithm = "ES256" (default)
    openid = "off" (default)
    dpop = "off" (default)
    dpop_nonces = true (default)
    approvals_allow_command = false (default)
    approvals_webhook = null (default)
    smtp_url = null (default)
    smtp_from = null (default)
    node = null (default)
    audit_days = 90 (default)
    audit_redact = [] (default)
    audit_durability = "engine" (default)
    audit_files = null (default)
    audit_webhook = null (default)
    audit_webhook_authorization_file = null (default)
    otlp_endpoint = null (default)
    otlp_authorization_file = null (default)
    ops_listen = ["127.0.0.1:8421"] (default)
    log = "debug" (p.toml)
    log_format = "text" (default)
    "#);
}

/// ASVS-13.3.1: the master key may come from a file, the environment or a command, and is printed nowhere
#[test]
fn the_master_key_comes_from_one_place() {
    let key = "k".repeat(43);
    let variable = [("PORTCULLIS_MASTER_KEY", key.as_str())];
    let config = load("", &variable, Flags::default()).unwrap();
    assert_eq!(config.master_key.to_string(), "the master key in PORTCULLIS_MASTER_KEY");
    let sources = Sources {
        environment: vec![("PORTCULLIS_MASTER_KEY".to_owned(), key.clone())],
        flags: Flags::default(),
    };
    assert!(!format!("{config:?} {:?}", show(&config, &sources).unwrap()).contains(&key));
    let command = load("", &[("PORTCULLIS_MASTER_KEY_COMMAND", "pass, show, portcullis")], Flags::default());
    assert_eq!(command.unwrap().master_key.to_string(), "the master key that pass prints");
    let file = load("master_key_file = \"/etc/key\"", &[], Flags::default()).unwrap();
    assert_eq!(file.master_key.to_string(), "the master key /etc/key");
    insta::assert_snapshot!(refusal("master_key_file = \"/etc/key\"", &variable), @"the master key comes from one place: keep one of master_key_file, master_key_command and PORTCULLIS_MASTER_KEY");
    insta::assert_snapshot!(refusal("master_key = \"x\"", &[]), @"portcullis.toml must not hold master_key: put the key into a file of its own and name it with master_key_file, or into the variable PORTCULLIS_MASTER_KEY");
}

#[test]
fn a_database_password_is_not_printed() {
    let config = load("database_url = \"postgres://u:hunter2@h/d\"", &[], Flags::default()).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}
