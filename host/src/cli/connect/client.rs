//! The clients, and the form in which each takes a server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use url::{Host, Url};

use super::connection::Connection;
use crate::config::Config;
use crate::text::ellipsize;

/// Characters that are encoded in a part of a link: those that `encodeURIComponent` of JavaScript encodes, and `!'()*`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// Length of the description in the registry, of which `…` takes three.
const MAX_DESCRIPTION_BYTES: usize = 97;

/// A client of MCP servers.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Client {
    Claude,
    ClaudeCode,
    Cursor,
    #[value(name = "vscode")]
    VsCode,
    LmStudio,
    /// Settings that most other clients take.
    Json,
    /// `server.json` for the registry of MCP servers.
    Registry,
}

/// The form in which a client takes a server.
pub(super) enum Form {
    /// Links and command lines.
    Lines(Vec<String>),
    Json(Value),
}

impl Client {
    pub(super) const ALL: [Self; 7] = [
        Self::Claude,
        Self::ClaudeCode,
        Self::Cursor,
        Self::VsCode,
        Self::LmStudio,
        Self::Json,
        Self::Registry,
    ];

    /// Returns the name for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Claude => "Claude",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::VsCode => "Visual Studio Code",
            Self::LmStudio => "LM Studio",
            Self::Json => "Other clients",
            Self::Registry => "Registry of MCP servers (server.json)",
        }
    }

    /// Returns the key of the servers in the client's configuration file.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::VsCode => "servers",
            _ => "mcpServers",
        }
    }

    /// Returns the link, the command line or the settings for a server.
    ///
    /// # Errors
    /// One sentence: the client cannot use this server, or not under this name.
    pub(super) fn form(
        self,
        name: &str,
        connection: &Connection,
        config: &Config,
    ) -> Result<Form, String> {
        let settings = || self.settings(name, connection);
        let encoded_settings =
            || Ok::<_, String>(encoded(&STANDARD.encode(settings()?.to_string())));
        let lines = match (self, connection) {
            (Self::Claude, Connection::Url(url)) => {
                if connection.is_loopback() {
                    return Err(format!(
                        "Claude connects from the internet and does not reach {url}; name the public URL with --url, or let \
                         Claude Desktop start the server with --stdio"
                    ));
                }
                vec![format!(
                    "https://claude.ai/customize/connectors?modal=add-custom-connector&connectorName={}&connectorUrl={}",
                    encoded(name),
                    encoded(url.as_str())
                )]
            }
            (Self::Claude, Connection::Stdio { .. }) | (Self::Json, _) => {
                return Ok(Form::Json(json!({ self.key(): { name: settings()? } })));
            }
            (Self::ClaudeCode, Connection::Url(url)) => {
                check_claude_code(name)?;
                vec![format!(
                    "claude mcp add --transport http {name} {}",
                    shell_word(url.as_str())
                )]
            }
            (Self::ClaudeCode, Connection::Stdio { command, arguments }) => {
                check_claude_code(name)?;
                let words = std::iter::once(command).chain(arguments);
                let words: Vec<_> = words.map(|word| shell_word(word)).collect();
                vec![format!(
                    "claude mcp add --transport stdio {name} -- {}",
                    words.join(" ")
                )]
            }
            (Self::Cursor, _) => vec![format!(
                "cursor://anysphere.cursor-deeplink/mcp/install?name={}&config={}",
                encoded(name),
                encoded_settings()?
            )],
            (Self::VsCode, _) => {
                let mut named = json!({ "name": name });
                if let (Value::Object(named), Value::Object(settings)) = (&mut named, settings()?) {
                    named.extend(settings);
                }
                let named = named.to_string();
                vec![
                    format!("vscode:mcp/install?{}", encoded(&named)),
                    format!("code --add-mcp {}", shell_word(&named)),
                ]
            }
            (Self::LmStudio, _) => vec![format!(
                "lmstudio://add_mcp?name={}&config={}",
                encoded(name),
                encoded_settings()?
            )],
            (Self::Registry, Connection::Url(url)) => {
                return Ok(Form::Json(server_json(name, url, config)?));
            }
            (Self::Registry, Connection::Stdio { .. }) => {
                return Err("the registry lists servers that have a URL; leave out --stdio".into());
            }
        };
        Ok(Form::Lines(lines))
    }

    /// Returns the settings of one server in the client's configuration file.
    ///
    /// # Errors
    /// One sentence: the file has no such servers.
    pub(super) fn settings(self, name: &str, connection: &Connection) -> Result<Value, String> {
        let has_type = matches!(self, Self::ClaudeCode | Self::VsCode | Self::Json);
        if self == Self::ClaudeCode {
            check_claude_code(name)?;
        }
        match (self, connection) {
            (Self::Registry, _) => Err(
                "the registry has no configuration file; leave out --write, and publish the printed `server.json`".into(),
            ),
            (Self::Claude, Connection::Url(_)) => Err(
                "the configuration file of Claude Desktop takes programs only; open the link of `toolcrib connect claude`, or \
                 let it start the server with --stdio"
                    .into(),
            ),
            (_, Connection::Url(url)) if has_type => Ok(json!({ "type": "http", "url": url.as_str() })),
            (_, Connection::Url(url)) => Ok(json!({ "url": url.as_str() })),
            (_, Connection::Stdio { command, arguments }) if has_type => {
                Ok(json!({ "type": "stdio", "command": command, "args": arguments }))
            }
            (_, Connection::Stdio { command, arguments }) => {
                Ok(json!({ "command": command, "args": arguments }))
            }
        }
    }
}

/// Checks a name for Claude Code, which accepts fewer characters than the others.
fn check_claude_code(name: &str) -> Result<(), String> {
    let is_accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match name.chars().all(is_accepted) {
        true => Ok(()),
        false => Err(format!(
            "Claude Code accepts letters, digits, `-` and `_` in names, but not {name:?}; choose another with --name"
        )),
    }
}

/// Returns `server.json`, in the schema of 2025-12-11. The publisher completes it.
fn server_json(name: &str, url: &Url, config: &Config) -> Result<Value, String> {
    let domain = match url.host() {
        Some(Host::Domain(domain)) if domain.contains('.') && !domain.ends_with(".localhost") => {
            domain
        }
        _ => {
            return Err(format!(
                "the registry lists servers that everybody reaches, not {url}; name the public URL with --url"
            ));
        }
    };
    let labels: Vec<_> = domain.trim_end_matches('.').rsplit('.').collect();
    let is_accepted = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let own_name: String = name
        .chars()
        .map(|c| if is_accepted(&c) { c } else { '-' })
        .collect();
    let instructions = config.server.instructions.as_deref();
    let description = instructions.and_then(|text| text.lines().find(|line| !line.is_empty()));
    let description = description.map(|text| ellipsize(text, MAX_DESCRIPTION_BYTES).into_owned());
    Ok(json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": format!("{}/{own_name}", labels.join(".")),
        "title": name,
        "description": description.unwrap_or_else(|| format!("Tools of {name}")),
        "version": "1.0.0",
        "remotes": [{ "type": "streamable-http", "url": url.as_str() }],
    }))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Quotes a word for a POSIX shell, if it needs it.
fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
