//! The whole way, as two processes: Portcullis, this example registered there by command, and a client that gets a token
//! through a person's browser and calls a tool with it. Told on both engines.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on falls over")]

mod client;
mod process;

use std::time::{Duration, Instant};

use portcullis_database::both_engines;
use serde_json::json;

use crate::client::{Client, call, status};
use crate::process::{Login, Notes};

/// Where the notes would be behind a TLS proxy; they listen elsewhere.
const NOTES: &str = "https://notes.example/mcp";

/// A revocation by command reaches a running server within this time.
const REACH: Duration = Duration::from_secs(1);

both_engines! {
    /// MCP-AUTH-2, MCP-AUTH-6, R9728-3.3-1, R7662-2.2-1, R7662-4-1, A26: the five lines let in who has a live token for the notes
    /// with the scope, and nobody else
    async fn five_lines_protect_somebody_elses_server(database: TestDatabase) {
        let login = Login::start(&database.url);
        let notes = Notes::start(&login, NOTES);
        let client = Client::register(&login).await;

        let challenge = call(&notes, None, "list_notes", json!({})).await;
        assert_eq!(challenge.status().as_u16(), 401);
        let header = challenge.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert_eq!(header, "Bearer scope=\"notes.read notes.write\", resource_metadata=\"https://notes.example/.well-known/oauth-protected-resource/mcp\"");
        let document = notes.document().await;
        assert_eq!(document["resource"], NOTES);
        assert_eq!(document["authorization_servers"], json!([login.url]));

        let both = client.token(&login, Some(NOTES), "notes.read notes.write").await;
        let answer = call(&notes, Some(&both), "add_note", json!({"text": "buy milk"})).await;
        assert_eq!(answer.status().as_u16(), 200);
        assert!(answer.text().await.unwrap().contains("noted"));
        let read = client.token(&login, Some(NOTES), "notes.read").await;
        let answer = call(&notes, Some(&read), "list_notes", json!({})).await;
        assert!(answer.text().await.unwrap().contains("buy milk"), "the same person, another token");
        let answer = call(&notes, Some(&read), "add_note", json!({"text": "more"})).await;
        assert!(answer.text().await.unwrap().contains("this needs the scope notes.write"));
        let write = client.token(&login, Some(NOTES), "notes.write").await;
        assert_eq!(status(&notes, &write).await, 403, "every request needs notes.read");
    }

    /// MCP-AUTH-6, A26, R7662-2.2-3: a token for the gateway, a revoked token, and every token after the removal
    async fn foreign_and_revoked_tokens_are_challenged(database: TestDatabase) {
        let login = Login::start(&database.url);
        let notes = Notes::start(&login, NOTES);
        let client = Client::register(&login).await;
        let foreign = client.token(&login, None, "mcp.tools.read").await;
        let refused = call(&notes, Some(&foreign), "list_notes", json!({})).await;
        assert_eq!(refused.status().as_u16(), 401);
        let header = refused.headers()["www-authenticate"].to_str().unwrap();
        assert!(header.starts_with("Bearer error=\"invalid_token\"") && header.contains("notes.example"), "{header}");

        let revoked = client.token(&login, Some(NOTES), "notes.read").await;
        login.run_with("token revoke --token-stdin --yes", &revoked);
        assert_eq!(status(&notes, &revoked).await, 401);
        let living = client.token(&login, Some(NOTES), "notes.read").await;
        assert_eq!(status(&notes, &living).await, 200);

        let late = client.token(&login, Some(NOTES), "notes.read").await;
        login.run(&["resource", "remove", NOTES, "--yes"]);
        assert_eq!(status(&notes, &late).await, 503, "who may not ask any more lets nobody in");
    }

    /// R9068-4-2, R9068-4-3, A26: with signed tokens the same lines check them without asking: for this server alone, also while
    /// the issuer is away, and no longer than a token lives
    async fn signed_tokens_are_checked_where_they_arrive(database: TestDatabase) {
        let login = Login::start(&database.url);
        let notes = Notes::start_with(&login, NOTES, "jwt");
        let client = Client::register(&login).await;
        let both = client.token(&login, Some(NOTES), "notes.read notes.write").await;
        assert_eq!(both.split('.').count(), 3, "a signed token");
        let answer = call(&notes, Some(&both), "add_note", json!({"text": "buy milk"})).await;
        assert!(answer.text().await.unwrap().contains("noted"));
        let read = client.token(&login, Some(NOTES), "notes.read").await;
        let answer = call(&notes, Some(&read), "add_note", json!({"text": "more"})).await;
        assert!(answer.text().await.unwrap().contains("this needs the scope notes.write"));

        let foreign = client.token(&login, None, "mcp.tools.read").await;
        let (signed, _) = read.rsplit_once('.').unwrap();
        let (_, stolen) = both.rsplit_once('.').unwrap();
        for bad in [foreign, format!("{signed}.{stolen}"), format!("{signed}.")] {
            let refused = call(&notes, Some(&bad), "list_notes", json!({})).await;
            assert_eq!(refused.status().as_u16(), 401);
            let header = refused.headers()["www-authenticate"].to_str().unwrap();
            assert!(header.starts_with("Bearer error=\"invalid_token\""), "{header}");
        }
        login.run_with("token revoke --token-stdin --yes", &read);
        assert_eq!(status(&notes, &read).await, 200, "nobody is asked: it lives until it expires");
        drop(login);
        assert_eq!(status(&notes, &both).await, 200, "nor is the issuer needed");
    }

    /// ASVS-7.4.1: the running server holds the token in its cache, another process ends it
    async fn a_command_ends_a_token_at_a_running_server_within_a_second(database: TestDatabase) {
        let login = Login::start(&database.url);
        let client = Client::register(&login).await;
        for line in ["token revoke --token-stdin --yes", "token revoke --user ada@example.com --yes"] {
            let token = client.token(&login, None, "mcp.tools.read").await;
            assert_eq!(login.gateway(&token).await, 200);
            login.run_with(line, &token);
            let began = Instant::now();
            while login.gateway(&token).await != 401 {
                assert!(began.elapsed() < REACH, "{line}");
            }
        }
    }
}
