//! The binary: parses the command line, runs the command, and turns a problem into one line and an exit code.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use portcullis::Problem;
use portcullis::cli::Cli;

/// The system's allocator keeps the 19 MiB that each password check takes; this one gives them back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => return tell(&told),
    };
    if let Err(problem) = cli.become_child() {
        return end(&problem);
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return end(&Problem::failed(format!("cannot start the runtime: {error}"))),
    };
    let done = runtime.block_on(cli.run());
    // Not a plain drop: that would wait for password hashes that nobody waits for any more.
    runtime.shutdown_timeout(Duration::from_millis(500));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => end(&problem),
    }
}

fn end(problem: &Problem) -> ExitCode {
    eprintln!("portcullis: {problem}");
    problem.exit_code()
}

/// Help and version are answers; anything else is a line that could not be understood.
fn tell(told: &clap::Error) -> ExitCode {
    if !told.use_stderr() {
        let _ = told.print();
        return ExitCode::SUCCESS;
    }
    let text = told.render().to_string();
    eprint!("portcullis: {}", text.strip_prefix("error: ").unwrap_or(&text));
    ExitCode::from(2)
}
