//! `toolcrib connect`: links, command lines and settings by which clients get to a server.

mod connection;

mod client;
mod merge;

mod write;

use std::path::PathBuf;

use clap::Args;

use super::output::{
    Failure, fail, fail_usage, print_json, print_json_text, report_config_errors, say,
};
use crate::config::{Config, Overrides};
use client::{Client, Form};
use connection::Connection;
use write::Target;

/// Length of a name. Clients put it before the names of tools, whose length models limit.
const MAX_NAME_CHARS: usize = 64;

#[derive(Args)]
pub(super) struct Connect {
    /// The client; all of them without it.
    client: Option<Client>,
    /// The URL of the MCP endpoint [default: `public-url`, else the address, of the configuration]
    #[arg(long, value_name = "URL", conflicts_with = "stdio")]
    url: Option<String>,
    /// The configuration file of the server.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Let the client start `toolcrib stdio` on its machine, with these components or those of --config.
    #[arg(long, value_name = "REF", num_args = 0..)]
    stdio: Option<Vec<String>>,
    /// The name of the server in the client [default: `name` of the configuration, else `toolcrib`]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Add the server to the configuration file of the client, after showing the difference and asking.
    #[arg(long, requires = "client")]
    write: bool,
    /// The configuration file of the client, if it is not in its usual place.
    #[arg(long, value_name = "FILE", requires = "write")]
    file: Option<PathBuf>,
    /// Write without asking.
    #[arg(long, requires = "write")]
    yes: bool,
}

impl Connect {
    pub(super) fn run(self) -> Result<(), Failure> {
        let overrides = Overrides {
            file: self.config,
            ..Overrides::default()
        };
        let config = Config::load(&overrides).map_err(|errors| report_config_errors(&errors))?;
        let name = self.name.unwrap_or_else(|| config.server.name.clone());
        check_name(&name).map_err(fail_usage)?;
        let connection = match &self.stdio {
            Some(references) => Connection::stdio(references, &config),
            None => Connection::url(self.url, &config),
        };
        let connection = connection.map_err(fail_usage)?;
        let Some(client) = self.client else {
            return print_all(&name, &connection, &config);
        };
        if self.write {
            let settings = client.settings(&name, &connection).map_err(fail_usage)?;
            let target = Target::find(client, self.file).map_err(fail)?;
            return target.write(client.key(), &name, &settings, self.yes);
        }
        match client
            .form(&name, &connection, &config)
            .map_err(fail_usage)?
        {
            Form::Lines(lines) => lines.iter().try_for_each(|line| {
                say!("{line}");
                Ok(())
            }),
            Form::Json(value) => print_json(&value),
        }
    }
}

fn print_all(name: &str, connection: &Connection, config: &Config) -> Result<(), Failure> {
    for (index, client) in Client::ALL.into_iter().enumerate() {
        if index > 0 {
            say!("");
        }
        say!("{}:", client.title());
        match client.form(name, connection, config) {
            Ok(Form::Lines(lines)) => {
                for line in lines {
                    say!("  {line}");
                }
            }
            Ok(Form::Json(value)) => {
                let text = format!("{value:#}").replace('\n', "\n  ");
                print_json_text(&format!("  {text}"))?;
            }
            Err(reason) => say!("  {reason}"),
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let is_good = !name.trim().is_empty()
        && name.chars().count() <= MAX_NAME_CHARS
        && !name.contains(char::is_control);
    match is_good {
        true => Ok(()),
        false => Err(format!(
            "{name:?} is no name for clients: it has 1 to {MAX_NAME_CHARS} characters on one line; choose one with --name"
        )),
    }
}
