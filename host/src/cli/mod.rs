//! The command line: one file per subcommand, and the exit status.

/// Prints a line to standard output. A reader that has seen enough, such as
/// `head`, is no fault, while `println!` panics there.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod call;
mod check;
mod inspect;
mod serve;
mod stdio;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::BuildError;
use crate::catalog::Catalog;
use crate::config::{Config, ConfigError, Overrides};
use crate::telemetry;
use crate::text::error_chain;

/// Serve WebAssembly components as MCP tools, each call in a sandbox of its own.
#[derive(Parser)]
#[command(name = "toolcrib", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve components over Streamable HTTP.
    Serve(serve::Serve),
    /// Serve components to one local client over stdin and stdout.
    Stdio(stdio::Stdio),
    /// Show a component's tools, prompts, documents, schemas, imports, digest and size.
    Inspect(inspect::Inspect),
    /// Call one tool, in the same sandbox, without a server.
    Call(call::Call),
    /// Report every fault of the configuration and of every component.
    Check(check::Check),
}

/// What several subcommands take.
#[derive(Args)]
struct Common {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What those take that serve for long.
#[derive(Args)]
struct Watch {
    /// Take in changes of every component while it is served; without it, those in
    /// directories and of glob patterns.
    #[arg(long, overrides_with = "no_watch")]
    watch: bool,
    /// Serve what is there at the start until the end.
    #[arg(long, overrides_with = "watch")]
    no_watch: bool,
    /// Leave out components that are broken instead of ending the start.
    #[arg(long)]
    keep_going: bool,
}

/// Why a subcommand did not succeed. What there is to say has been said.
#[derive(Debug)]
enum Failure {
    /// It failed: exit status 1.
    Failed,
    /// The command line or the configuration is wrong: exit status 2.
    Usage,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        outlive_file_limits();
        match cli.command {
            Command::Serve(serve) => serve.run().await,
            Command::Stdio(stdio) => stdio.run().await,
            Command::Inspect(inspect) => inspect.run().await,
            Command::Call(call) => call.run().await,
            Command::Check(check) => check.run().await,
        }
    });
    // A thread that still reads standard input must not keep the process alive.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed) => ExitCode::from(1),
        Err(Failure::Usage) => ExitCode::from(2),
    }
}

/// A file that reaches the limit of the process (`ulimit -f`) is an error for whoever writes it, which may be a guest.
/// Where nothing handles the signal, it is the end of the process.
fn outlive_file_limits() {
    let exceeded = SignalKind::from_raw(Signal::XFSZ.as_raw());
    if let Err(error) = signal(exceeded) {
        tracing::warn!(%error, "a file over the limit of the process ends it");
    }
}

impl Common {
    fn overrides(&self, references: Vec<String>) -> Overrides {
        Overrides {
            file: self.config.clone(),
            references,
            ..Overrides::default()
        }
    }
}

impl Watch {
    fn lay_over(&self, overrides: &mut Overrides) {
        overrides.watch = match (self.watch, self.no_watch) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            (false, false) => None,
        };
        overrides.keep_going = self.keep_going;
    }
}

/// Reads the configuration and starts the log. `level` is the log's level where
/// no file says another.
fn configure(overrides: &Overrides, level: tracing::Level) -> Result<Config, Failure> {
    let mut config = Config::load(overrides).map_err(|faults| report_faults(&faults))?;
    if overrides.file.is_none() {
        config.telemetry.level = level;
    }
    telemetry::init(config.telemetry);
    Ok(config)
}

fn report_faults(faults: &[ConfigError]) -> Failure {
    for fault in faults {
        eprintln!("error: {fault}");
    }
    Failure::Usage
}

/// Prints every problem, one line each.
fn report(error: &BuildError) -> Failure {
    let mut failure = Failure::Failed;
    for problem in &error.problems {
        if problem.is_configuration() {
            failure = Failure::Usage;
        }
        eprintln!("error: {}", error_chain(problem));
    }
    failure
}

/// `1 tool`, `2 tools`.
fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// What is served, such as `7 tools and 1 prompt from 3 components`. Tools are
/// counted unless there is only something else.
fn served(catalog: &Catalog) -> String {
    let mut offered = vec![
        (catalog.tools().len(), "tool"),
        (catalog.prompts().len(), "prompt"),
        (catalog.resources().len(), "resource"),
        (catalog.templates().len(), "template"),
    ];
    offered.retain(|(number, _)| *number > 0);
    let counts: Vec<_> = offered
        .into_iter()
        .map(|(n, thing)| count(n, thing))
        .collect();
    let offered = match counts.split_last() {
        None => count(0, "tool"),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    };
    let components = count(catalog.components().len(), "component");
    format!("{offered} from {components}")
}

/// Fails with one line.
fn fail(line: impl std::fmt::Display) -> Failure {
    eprintln!("error: {line}");
    Failure::Failed
}

/// The flags of `serve` that `check` takes too.
#[derive(Args)]
struct Access {
    /// Serve everybody who reaches the address; refused unless it is loopback.
    #[arg(long)]
    no_auth: bool,
    /// Where to listen; port 0 picks a free one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}
