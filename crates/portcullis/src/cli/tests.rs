//! What can be typed, and what cannot.

use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("portcullis").chain(line.split_whitespace()))
}

#[test]
fn the_grammar_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_line_of_the_manual_is_understood() {
    for line in [
        "serve --demo",
        "serve --listen 127.0.0.1:1 --listen [::1]:1 --public-url http://localhost:1",
        "--data-dir d --database-url sqlite:x --config c.toml setup",
        "setup --data-dir d",
        "user add --email a@b.example --name Ada --admin --password-stdin",
        "user list --json",
        "user show a@b.example",
        "user show --email a@b.example --json",
        "user disable a@b.example --yes",
        "migrate --json",
        "config show",
        "config check --json",
        "completions zsh",
        "serve --tls-certificate c.pem --tls-key k.pem",
        "user enable a@b.example",
        "user password a@b.example --password-stdin",
        "client add --name C --redirect-uri http://localhost/cb --public",
        "client add --name C --redirect-uri https://a.example/cb --redirect-uri https://b.example/cb --confidential \
         --grant authorization_code --grant refresh_token --scope mcp.tools.read --resource http://localhost:8420/mcp --json",
        "client list --json",
        "client show client_1",
        "client rotate-secret client_1 --json",
        "client remove client_1 --yes",
        "client add --name C --confidential --grant jwt_bearer",
        "issuer add --issuer https://idp.example --jwks-uri https://idp.example/keys --json",
        "issuer add --issuer https://idp.example --tenant t --jwks f --link-verified-email",
        "issuer list --json",
        "issuer remove --issuer https://idp.example --tenant t --yes --json",
        "user link a@b.example --issuer https://idp.example --subject 00u1",
        "user unlink --issuer https://idp.example --subject 00u1 --yes",
        "client add --name C --jwks keys.json --grant client_credentials --scope mcp.tools.read",
        "client add --name C --jwks-uri https://a.example/jwks --redirect-uri https://a.example/cb",
        "client set-keys client_1 --jwks keys.json --yes",
        "client set-keys client_1 --jwks-uri https://a.example/jwks --yes --json",
        "client assertion-audience client_1 token-url --json",
        "resource add --uri https://n.example/mcp --name N --scope a=A --default-scope b=B --token-format jwt \
         --access-token-seconds 300 --json",
        "resource list --json",
        "resource show https://n.example/mcp --json",
        "resource rotate-secret https://n.example/mcp --json",
        "resource remove https://n.example/mcp --yes --json",
        "token revoke",
        "token revoke --token-stdin --yes",
        "token revoke --grant grant_1",
        "token revoke --user a@b.example --json",
        "token revoke --client client_1",
        "keys list --json",
        "keys rotate",
        "keys rotate --algorithm EdDSA",
        "keys retire -zbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --yes",
        "keys retire NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --yes",
        "attempts list",
        "attempts list --client client_1 --user a@b.example --failed --since 1h --limit 10 --after 5.7K3QW-XMP4T --json",
        "attempts show 7K3QW-XMP4T --json",
        "healthcheck",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn every_line_about_upstream_clients_is_understood() {
    for line in [
        "upstream-client set github --issuer https://github.com/login/oauth --client-id Iv1 --secret-stdin --json",
        "upstream-client list --json",
        "upstream-client remove github --yes --json",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn every_line_about_policies_is_understood() {
    for line in [
        "policy check team.cedar --json",
        "policy test team.cedar --cases cases.toml --json",
        "policy activate team.cedar --note why --json",
        "policy versions --json",
        "policy show",
        "policy show 3",
        "policy diff 3",
        "policy diff 3 5",
        "policy diff --file team.cedar",
        "policy rollback 3 --yes --json",
        "policy explain --user a@b.example --client client_1 --connection work --tool x --args {} --json",
        "policy explain --user a@b.example --connection work --prompt x --args {}",
        "policy explain --user a@b.example --connection work --resource file:///x",
        "policy explain --user a@b.example --connection work --list",
        "policy explain --user a@b.example --client client_1 --connection work --manage",
        "group add agents --about Robots --json",
        "group list --json",
        "group member agents --add a@b.example --add client_1 --remove c@d.example --json",
        "group remove agents --yes",
        "tool block x --note why",
        "tool block x --server github --json",
        "tool unblock x --connection con_1 --json",
        "tool blocked --json",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn one_thing_is_explained_at_a_time() {
    for asked in
        ["", "--list --manage", "--tool x --prompt y", "--list --args {}", "--resource file:///x --args {}"]
    {
        let line = format!("policy explain --user a@b.example --connection work {asked}");
        assert!(parse(&line).is_err(), "{line}");
    }
}

#[test]
fn every_line_about_the_audit_trail_is_understood() {
    for line in [
        "audit search --user a@b.example --client c --connection d --tool t --action tools.call --decision refused --trace req_1 \
         --since 7d --until 1h --limit 5 --after 5.evt_a --json",
        "audit export --since 30d --format csv",
        "audit verify",
        "audit verify --anchors /mnt/audit --json",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    assert!(parse("audit search --decision perhaps").is_err());
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (line, kind) in [
        ("user show", ErrorKind::MissingRequiredArgument),
        ("user show a@b.example --email c@d.example", ErrorKind::ArgumentConflict),
        ("client add --name C --public --confidential", ErrorKind::ArgumentConflict),
        ("client add --redirect-uri https://h/cb", ErrorKind::MissingRequiredArgument),
        ("client add --name C --jwks f --jwks-uri https://h/jwks", ErrorKind::ArgumentConflict),
        ("client add --name C --jwks f --public", ErrorKind::ArgumentConflict),
        ("client add --name C --jwks f --confidential", ErrorKind::ArgumentConflict),
        ("issuer add --issuer https://idp.example", ErrorKind::MissingRequiredArgument),
        (
            "issuer add --issuer https://i.example --jwks f --jwks-uri https://i.example/k",
            ErrorKind::ArgumentConflict,
        ),
        ("user link a@b.example --issuer https://idp.example", ErrorKind::MissingRequiredArgument),
        ("client set-keys client_1", ErrorKind::MissingRequiredArgument),
        ("client assertion-audience client_1 anybody", ErrorKind::InvalidValue),
        ("client add --name C --grant implicit", ErrorKind::InvalidValue),
        ("resource add --uri https://n.example/mcp --name N --scope a", ErrorKind::ValueValidation),
        ("resource add --uri https://n.example/mcp --name N --token-format x", ErrorKind::InvalidValue),
        ("token revoke --grant g --user a@b.example", ErrorKind::ArgumentConflict),
        ("keys rotate --algorithm HS256", ErrorKind::InvalidValue),
        ("attempts list --since yesterday", ErrorKind::ValueValidation),
        ("attempts list --limit 0", ErrorKind::ValueValidation),
        ("attempts show", ErrorKind::MissingRequiredArgument),
        ("keys retire", ErrorKind::MissingRequiredArgument),
        ("serve --deom", ErrorKind::UnknownArgument),
        ("sevre", ErrorKind::InvalidSubcommand),
    ] {
        assert_eq!(parse(line).unwrap_err().kind(), kind, "{line}");
    }
}

#[test]
fn only_serve_says_where_to_listen() {
    let flags = parse("--data-dir d serve --listen localhost:9000").unwrap().flags();
    assert_eq!((flags.data_dir, flags.listen), (Some("d".into()), vec!["localhost:9000".to_owned()]));
    assert!(parse("setup").unwrap().flags().listen.is_empty());
}

#[test]
fn help_lists_every_setting_and_shows_examples() {
    let help = Cli::command().render_long_help().to_string();
    for word in ["serve --demo", "refresh_grace_seconds", "PORTCULLIS_"] {
        assert!(help.contains(word), "{word}\n{help}");
    }
    assert!(!help.contains("healthcheck"));
}
