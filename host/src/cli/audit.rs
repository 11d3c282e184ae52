//! `toolcrib audit verify`: shows whether audit files were changed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{Failure, fail, print_json, say};
use crate::telemetry;

#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check that each record follows from the one before; records that were changed, added or removed break the chain.
    Verify(Verify),
}

#[derive(Args)]
struct Verify {
    /// Audit files that follow one another, the oldest first.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Command::Verify(Verify { files, json }) = self.command;
        let verified = telemetry::verify(&files).map_err(fail)?;
        let (first, last) = verified.numbers;
        if json {
            return print_json(&json!({
                "records": verified.records, "first": first, "last": last, "digest": verified.digest,
                "torn": verified.is_torn,
            }));
        }
        if verified.is_torn {
            say!(
                "warning: the last line is incomplete, because the server was killed while it wrote"
            );
        }
        say!(
            "ok: {} records, {first} to {last}; the digest of the last one is {}",
            verified.records,
            verified.digest
        );
        Ok(())
    }
}
