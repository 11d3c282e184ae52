//! The way from a client to the server: a URL, or a program that the client starts.

use std::path::Path;

use url::Url;

use crate::config::Config;
use crate::network;
use crate::reference::Reference;

/// The way to the server.
pub(super) enum Connection {
    /// The URL of the MCP endpoint.
    Url(Url),
    /// A program on the client's machine, which serves on standard input and output.
    Stdio {
        command: String,
        arguments: Vec<String>,
    },
}

impl Connection {
    /// Returns the URL of the command line, else that of the configuration.
    ///
    /// # Errors
    /// One sentence: it is no URL, or the configuration does not determine one.
    pub(super) fn url(text: Option<String>, config: &Config) -> Result<Self, String> {
        let text = text.or_else(|| config.server.client_url()).ok_or_else(|| {
            format!(
                "the server listens on {}, which is no address for clients; set `server.public-url`, or name the URL with --url",
                config.server.listen
            )
        })?;
        let url = Url::parse(&text).ok().filter(|url| {
            let is_http = matches!(url.scheme(), "http" | "https");
            is_http && url.username().is_empty() && url.password().is_none()
        });
        url.map(Self::Url).ok_or_else(|| {
            format!(
                "`{text}` is no URL of a server: it begins with https:// or http://, and has no user and no password, such as \
                 https://tools.example.com/mcp"
            )
        })
    }

    /// Returns the command that serves these components, or those of the configuration.
    ///
    /// # Errors
    /// One sentence: no components are named, or they do not exist.
    pub(super) fn stdio(references: &[String], config: &Config) -> Result<Self, String> {
        let text = |path: &Path| match path.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(format!(
                "`{}` is not UTF-8, which the configuration of clients is; choose another path",
                path.display()
            )),
        };
        let absolute = |path: &Path| match std::path::absolute(path) {
            Ok(path) => text(&path),
            Err(error) => Err(format!("`{}` cannot be used: {error}", path.display())),
        };
        let mut arguments = vec!["stdio".to_owned()];
        if let Some(file) = &config.file {
            arguments.extend(["--config".to_owned(), absolute(file)?]);
        }
        for reference in references {
            let parsed = Reference::parse(reference, Path::new(""));
            let parsed = parsed.map_err(|error| error.to_string())?;
            if parsed.remote().is_some() {
                arguments.push(reference.clone());
                continue;
            }
            parsed.resolve().map_err(|error| error.to_string())?;
            let path = reference.strip_prefix("file://").unwrap_or(reference);
            let here = std::env::current_dir()
                .map_err(|error| format!("the current directory cannot be used: {error}"))?;
            let mut here = text(&here)?;
            if here.contains(['*', '?', '[']) {
                here = glob::Pattern::escape(&here);
            }
            arguments.push(text(&Path::new(&here).join(path))?);
        }
        if references.is_empty() && config.references.is_empty() {
            return Err("`--stdio` needs components: name them after it, or a configuration that lists some with --config".into());
        }
        let program = std::env::current_exe()
            .map_err(|error| format!("the path of this program is unknown: {error}"))?;
        Ok(Self::Stdio {
            command: text(&program)?,
            arguments,
        })
    }

    /// Returns whether the URL leads to the machine of the client itself.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Stdio { .. } => false,
            Self::Url(url) => network::is_loopback(url),
        }
    }
}
