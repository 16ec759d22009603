//! The fixture as a program: `fixture-upstream http [PORT]`, or `fixture-upstream stdio [stateless|sessions|silent]`.

#![expect(clippy::expect_used, reason = "a server for tests: a surprise ends it")]

use portcullis_upstream_fixture::{Upstream, stdio};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["http", rest @ ..] => {
            let port = rest.first().copied().unwrap_or("0");
            let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("a free port");
            let upstream = Upstream::on(listener);
            println!("{}", upstream.url("/mcp"));
            std::future::pending::<()>().await;
        }
        ["stdio", rest @ ..] => {
            let era = match rest.first().copied() {
                Some("stateless") => stdio::Era::Stateless,
                Some("silent") => stdio::Era::Silent,
                _ => stdio::Era::Sessions,
            };
            stdio::serve(era).await;
        }
        _ => {
            eprintln!("fixture-upstream http [PORT] | stdio [stateless|sessions|silent]");
            std::process::exit(2);
        }
    }
}
