//! The command line: one file per subcommand.

mod output;

mod loading;

mod options;
mod signals;

mod config_files;

mod configuration;

mod server;

mod audit;
mod bundle;
mod call;
mod completions;
mod connect;
mod dev;
mod inspect;
mod inspect_parts;
mod man;
mod new;
mod pull;
mod serve;
mod stdio;
mod usage;

mod online;

mod check;
mod outdated;
mod push;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::engine::{COMPILER_SUBCOMMAND, run_compiler_process};
use crate::telemetry;
use output::Failure;

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
    /// Build a project after each change and serve its components on this machine, with a line for each call.
    Dev(dev::Dev),
    /// Print the links, command lines and settings by which clients get to a server, or write them.
    Connect(connect::Connect),
    /// Make an MCP bundle (.mcpb) of components, which desktop clients install with a click.
    Bundle(bundle::Bundle),
    /// Show a component's tools, prompts, resources, schemas, imports, digest and size.
    Inspect(inspect::Inspect),
    /// Call one tool, in the same sandbox, without a server.
    Call(call::Call),
    /// Report every fault of the configuration and of every component.
    Check(check::Check),
    /// Fetch https:// and oci:// components into the cache and print how to pin them.
    Pull(pull::Pull),
    /// Show which https:// and oci:// components have changed on their servers; exit status 1 if one has.
    Outdated(outdated::Outdated),
    /// Create a project for a component of one's own.
    New(new::New),
    /// Push a component to a registry and print its reference with the digest.
    Push(push::Push),
    /// Show who used which tool, from audit files.
    Usage(usage::Usage),
    /// Work with the files of the audit.
    Audit(audit::Audit),
    /// Print a completion script for a shell.
    Completions(completions::Completions),
    /// Print the manual page, in roff.
    Man,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    // Not a subcommand of the parser, since only the host itself uses it.
    if std::env::args_os().nth(1).as_deref() == Some(COMPILER_SUBCOMMAND.as_ref()) {
        return match run_compiler_process() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                output::fail(format!("the compiler process failed: {error}"));
                ExitCode::FAILURE
            }
        };
    }
    // Before anything else, since a signal may arrive at any time.
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output::fail(format!("cannot start the runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let hangup = {
        let _runtime = runtime.enter();
        signals::handle()
    };
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => return output::print_usage(&message),
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve(serve) => serve.run(hangup).await,
            Command::Stdio(stdio) => stdio.run(hangup).await,
            Command::Dev(dev) => dev.run(hangup).await,
            Command::Connect(connect) => connect.run(),
            Command::Bundle(bundle) => bundle.run().await,
            Command::Inspect(inspect) => inspect.run().await,
            Command::Call(call) => call.run().await,
            Command::Check(check) => check.run().await,
            Command::Pull(pull) => pull.run().await,
            Command::Outdated(outdated) => outdated.run().await,
            Command::New(new) => new.run(),
            Command::Push(push) => push.run().await,
            Command::Usage(usage) => usage.run(),
            Command::Audit(audit) => audit.run(),
            Command::Completions(completions) => completions.run(Cli::command()),
            Command::Man => man::run(Cli::command()),
        }
    });
    // A thread blocked on standard input must not keep the process alive.
    runtime.shutdown_background();
    telemetry::flush_log();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed) => ExitCode::from(1),
        Err(Failure::Usage) => ExitCode::from(2),
    }
}
