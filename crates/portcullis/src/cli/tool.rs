//! `portcullis tool …`: tools that are blocked, whatever policies say.

use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_console::shown;
use portcullis_database::{ChangeFeed, Database};
use portcullis_oauth::{ConnectionId, SystemClock};
use portcullis_resource_server::{BlockedAt, ToolBlock, ToolBlocks};
use serde_json::json;

use super::output::{Format, print_json, print_table, say, time};
use super::{author, store};
use crate::Problem;
use crate::config::Config;

/// What can be done with tools.
#[derive(Debug, Subcommand)]
pub(super) enum ToolCommand {
    /// Block a tool for everybody, at once and whatever policies say
    #[command(after_help = "\
Examples:
  portcullis tool block delete_repository --server github --note 'until we know what happened'
  portcullis tool block run_shell                            at every server
  portcullis tool block send_mail --connection con_…         at one connection

Within a second the tool is gone from every list, and calls of it are refused.")]
    Block(BlockArguments),
    /// Take a block away again
    Unblock(BlockArguments),
    /// List every block
    Blocked(Format),
}

/// A tool and where it is blocked.
#[derive(Debug, Args)]
pub(super) struct BlockArguments {
    /// The tool, by its server's own name for it (without the connection's alias)
    tool: String,
    /// At every connection to this server
    #[arg(long, value_name = "NAME", conflicts_with = "connection")]
    server: Option<String>,
    /// At this connection alone
    #[arg(long, value_name = "ID")]
    connection: Option<String>,
    /// Why
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
    #[command(flatten)]
    format: Format,
}

impl BlockArguments {
    fn at(&self) -> BlockedAt {
        match (&self.server, &self.connection) {
            (Some(server), _) => BlockedAt::Server(server.clone()),
            (None, Some(id)) => BlockedAt::Connection(ConnectionId::from(id.clone())),
            (None, None) => BlockedAt::Anywhere,
        }
    }
}

/// Does what was asked.
pub(super) async fn run(command: ToolCommand, config: &Config) -> Result<(), Problem> {
    match command {
        ToolCommand::Block(arguments) => {
            let blocks = blocks(store::open(config).await?);
            let (tool, at) = (&arguments.tool, arguments.at());
            let blocked = blocks.block(tool, &at, &author(), &arguments.note).await;
            let blocked = blocked.map_err(|error| Problem::caused(&error))?;
            let again = if blocked { "is blocked" } else { "was blocked already" };
            told(&arguments, &at, again, blocked);
            Ok(())
        }
        ToolCommand::Unblock(arguments) => {
            let blocks = blocks(store::open_existing(config).await?);
            let (tool, at) = (&arguments.tool, arguments.at());
            if !blocks.unblock(tool, &at, &author()).await.map_err(|error| Problem::caused(&error))? {
                return Err(Problem::failed(format!(
                    "{tool} is not blocked {}; `portcullis tool blocked` shows every block",
                    at.in_words()
                )));
            }
            told(&arguments, &at, "is no longer blocked", true);
            Ok(())
        }
        ToolCommand::Blocked(format) => {
            let all = blocks(store::open_existing(config).await?).list().await;
            print(&all.map_err(|error| Problem::caused(&error))?, format);
            Ok(())
        }
    }
}

fn blocks(database: Database) -> ToolBlocks {
    let feed = ChangeFeed::new(database.clone(), Arc::new(SystemClock));
    ToolBlocks::new(database, feed, Arc::new(SystemClock))
}

fn told(arguments: &BlockArguments, at: &BlockedAt, what: &str, changed: bool) {
    if arguments.format.json {
        print_json(&json!({ "tool": arguments.tool, "at": at.in_words(), "changed": changed }));
    } else {
        eprintln!("{} {what}, {}.", arguments.tool, at.in_words());
    }
}

fn print(blocks: &[ToolBlock], format: Format) {
    if format.json {
        print_json(&blocks.iter().map(shown::block).collect());
    } else if blocks.is_empty() {
        say(&"No tool is blocked.");
    } else {
        let row = |block: &ToolBlock| {
            vec![
                block.tool.clone(),
                block.at.in_words(),
                block.author.clone(),
                block.note.clone(),
                time(block.created_at),
            ]
        };
        print_table(&["tool", "where", "by", "note", "since"], blocks.iter().map(row).collect());
    }
}
