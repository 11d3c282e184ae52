//! Options shared by several subcommands, and how they override the configuration.

use std::path::{Path, PathBuf};

use clap::Args;
use tracing::Level;

use super::loading::configure_loading;
use super::output::{Failure, fail, report_config_errors};
use crate::config::{Config, ConfigText, Listen, Overrides};
use crate::telemetry;

/// Options of every subcommand that loads components.
#[derive(Args)]
pub(super) struct ConfigOptions {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Fetch nothing: take https:// and oci:// components from the cache.
    #[arg(long)]
    offline: bool,
    /// Accept https:// and oci:// components without a pinned digest.
    #[arg(long)]
    allow_unpinned: bool,
}

/// Options of `serve` and `check`.
#[derive(Args)]
pub(super) struct AccessOptions {
    /// Serve every client that reaches the address, without tokens; refused unless only this machine can.
    #[arg(long)]
    no_auth: bool,
    /// Accept --no-auth on an address that other machines can reach, such as 0.0.0.0 in a container.
    #[arg(long, requires = "no_auth")]
    i_know_this_is_open: bool,
    /// Where to listen: ADDRESS:PORT, localhost:PORT or unix:PATH; port 0 picks a free one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "WHERE", value_parser = parse_listen)]
    listen: Option<Listen>,
}

/// Options of `serve` and `stdio`.
#[derive(Args)]
pub(super) struct WatchOptions {
    /// Reload every component when its file changes; without this option, only those in directories and of glob
    /// patterns.
    #[arg(long, overrides_with = "no_watch")]
    watch: bool,
    /// Never reload components.
    #[arg(long, overrides_with = "watch")]
    no_watch: bool,
    /// Start without the components that cannot be loaded, instead of failing.
    #[arg(long)]
    keep_going: bool,
}

impl ConfigOptions {
    pub(super) fn overrides(&self, references: Vec<String>) -> Overrides {
        Overrides {
            file: self.config.clone(),
            references,
            offline: self.offline,
            allow_unpinned: self.allow_unpinned,
            ..Overrides::default()
        }
    }
}

impl AccessOptions {
    pub(super) fn apply(&self, overrides: &mut Overrides) {
        overrides.listen.clone_from(&self.listen);
        overrides.no_auth = self.no_auth;
        overrides.open_to_network = self.i_know_this_is_open;
    }
}

impl WatchOptions {
    pub(super) fn apply(&self, overrides: &mut Overrides) {
        overrides.watch = match (self.watch, self.no_watch) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            (false, false) => None,
        };
        overrides.keep_going = self.keep_going;
    }
}

/// Parses `--listen`. A relative path starts at the working directory.
pub(super) fn parse_listen(text: &str) -> Result<Listen, String> {
    Listen::parse(text, Path::new("")).ok_or_else(|| format!("must be {}", Listen::FORMS))
}

/// Reads the configuration and starts the log. `default_level` is the log level if there is no configuration file.
pub(super) fn configure(overrides: &Overrides, default_level: Level) -> Result<Config, Failure> {
    Ok(configure_with_text(overrides, default_level)?.1)
}

/// Like [`configure`], and returns the text of the configuration file too.
pub(super) fn configure_with_text(
    overrides: &Overrides,
    default_level: Level,
) -> Result<(ConfigText, Config), Failure> {
    let text = ConfigText::read(overrides.file.as_deref());
    let text = text.map_err(|error| report_config_errors(&[error]))?;
    let mut config =
        Config::parse(&text, overrides).map_err(|errors| report_config_errors(&errors))?;
    if overrides.file.is_none() {
        config.telemetry.log.level = default_level;
    }
    let log = &config.telemetry.log;
    telemetry::init(log).map_err(|error| {
        let file = log.file.as_deref().unwrap_or(Path::new("")).display();
        fail(format!(
            "`telemetry.log-file` names `{file}`, which cannot be written: {error}"
        ))
    })?;
    configure_loading(&mut config);
    Ok((text, config))
}
