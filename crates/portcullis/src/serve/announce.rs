//! What a start prints for people: where to sign in, and how to add the server to an MCP client.

use std::fmt;
use std::path::PathBuf;

use portcullis_oauth::PublicUrl;

use super::demo::Login;

/// What the reader does next.
pub(super) enum Next {
    /// Sign in as the demo user.
    Demo(Login),
    /// Create the first admin behind this link.
    Setup(String),
    /// Create the first admin behind a link that an earlier start printed.
    SetupPending,
    /// Sign in.
    SignIn,
}

/// Displays as a short text.
pub(super) struct Announcement {
    pub(super) public_url: PublicUrl,
    pub(super) engine: &'static str,
    pub(super) data_dir: PathBuf,
    pub(super) next: Next,
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, folder) = (&self.public_url, self.data_dir.display());
        let mcp = url.join("/mcp");
        writeln!(f, "\nPortcullis is running on {}, with its files in {folder}.\n", self.engine)?;
        match &self.next {
            Next::Demo(login) => {
                writeln!(f, "  Sign in      {}", url.join("/login"))?;
                writeln!(f, "  E-mail       {}", login.email)?;
                match &login.password {
                    Some(password) => writeln!(f, "  Password     {}", password.expose())?,
                    None => {
                        writeln!(f, "  Password     not the one in demo.json any more: somebody changed it")?;
                    }
                }
            }
            Next::Setup(link) => {
                writeln!(f, "  Create the first admin (the link works once):\n  {link}\n")?;
                writeln!(f, "  Sign in      {}", url.join("/login"))?;
            }
            Next::SetupPending => {
                writeln!(f, "  There is no admin yet. An earlier start printed a link that creates one;")?;
                writeln!(f, "  `portcullis setup` prints a new one.\n")?;
            }
            Next::SignIn => writeln!(f, "  Sign in      {}", url.join("/login"))?,
        }
        writeln!(f, "  MCP URL      {mcp}\n")?;
        writeln!(f, "Add it to an MCP client:\n")?;
        writeln!(f, "  Claude Code  claude mcp add --transport http portcullis {mcp}")?;
        writeln!(
            f,
            "  VS Code      code --add-mcp '{{\"name\":\"portcullis\",\"type\":\"http\",\"url\":\"{mcp}\"}}'"
        )?;
        writeln!(
            f,
            "  Cursor       in ~/.cursor/mcp.json: {{\"mcpServers\":{{\"portcullis\":{{\"url\":\"{mcp}\"}}}}}}\n"
        )?;
        if matches!(self.next, Next::Demo(_)) {
            writeln!(f, "Scripts find the same in {folder}/demo.json.")?;
        }
        write!(f, "Ctrl-C stops it.")
    }
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::Secret;

    use super::*;

    fn announce(next: Next) -> String {
        let public_url = PublicUrl::parse("http://localhost:8420").unwrap();
        Announcement { public_url, engine: "SQLite", data_dir: "data".into(), next }.to_string()
    }

    #[test]
    fn the_demo_tells_a_newcomer_everything_once() {
        let login =
            Login { email: "demo@portcullis.localhost".into(), password: Some(Secret::presented("secret")) };
        insta::assert_snapshot!(announce(Next::Demo(login)).trim_start(), @r#"
        Portcullis is running on SQLite, with its files in data.

          Sign in      http://localhost:8420/login
          E-mail       demo@portcullis.localhost
          Password     secret
          MCP URL      http://localhost:8420/mcp

        Add it to an MCP client:

          Claude Code  claude mcp add --transport http portcullis http://localhost:8420/mcp
          VS Code      code --add-mcp '{"name":"portcullis","type":"http","url":"http://localhost:8420/mcp"}'
          Cursor       in ~/.cursor/mcp.json: {"mcpServers":{"portcullis":{"url":"http://localhost:8420/mcp"}}}

        Scripts find the same in data/demo.json.
        Ctrl-C stops it.
        "#);
    }

    #[test]
    fn a_first_start_shows_the_link_and_a_later_one_does_not() {
        let first = announce(Next::Setup("http://localhost:8420/setup?token=pcl_su_x".into()));
        assert!(
            first.contains("(the link works once):\n  http://localhost:8420/setup?token=pcl_su_x\n"),
            "{first}"
        );
        let later = announce(Next::SignIn);
        assert!(!later.contains("setup") && !later.contains("demo.json"), "{later}");
    }
}
