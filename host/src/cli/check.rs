//! `toolcrib check`

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{Access, Common, Failure, fail, report, report_faults, served, telemetry};
use crate::app::{self, App, BuildError, Problem};
use crate::config::{self, Config, Overrides, WatchMode};
use crate::text::error_chain;

/// A longer token is refused by the guard anyway.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

#[derive(Args)]
pub(super) struct Check {
    /// Components: a file (`#tool` selects one of its tools), a directory or a glob pattern.
    #[arg(value_name = "REF")]
    references: Vec<String>,
    /// Say claim by claim why this token is accepted or refused; `-` reads it
    /// from standard input. It is not printed.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    access: Access,
}

impl Check {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut overrides = self.common.overrides(self.references);
        overrides.listen = self.access.listen;
        overrides.no_auth = self.access.no_auth;
        telemetry::init(telemetry::LogConfig {
            level: tracing::Level::WARN,
            ..telemetry::LogConfig::default()
        });
        if let Some(token) = &self.token {
            return check_token(&overrides, token, self.json).await;
        }
        let built = match Config::load(&overrides) {
            Ok(mut config) => {
                // Components alone are checked without anybody to serve them to.
                if overrides.file.is_none() && matches!(config.access, config::Access::Unset) {
                    config.access = config::Access::Open;
                }
                config.changes = WatchMode::Never;
                App::build(config).await
            }
            Err(faults) => Err(BuildError {
                problems: faults.into_iter().map(Problem::Config).collect(),
            }),
        };
        if self.json {
            return print_json(&built);
        }
        let app = built.map_err(|error| report(&error))?;
        // Without a file there is nobody who could have granted anything.
        if overrides.file.is_some() {
            for served in app.catalog().components() {
                for asked in served.component.import_report() {
                    say!("{}: {asked}", served.component.name);
                }
            }
        }
        for warning in app.warnings() {
            say!("warning: {warning}");
        }
        say!("ok: {}", served(&app.catalog()));
        Ok(())
    }
}

async fn check_token(overrides: &Overrides, token: &Path, json: bool) -> Result<(), Failure> {
    let config = Config::load(overrides).map_err(|faults| report_faults(&faults))?;
    let guard = app::guard(&config).map_err(|problems| report(&BuildError { problems }))?;
    let Some(guard) = guard else {
        eprintln!("error: nothing judges tokens here: there is no [auth] section");
        return Err(Failure::Usage);
    };
    let read = if token == Path::new("-") {
        std::io::read_to_string(std::io::stdin().lock().take(MAX_TOKEN_BYTES))
    } else {
        std::fs::File::open(token).and_then(|f| std::io::read_to_string(f.take(MAX_TOKEN_BYTES)))
    };
    let token = read.map_err(|e| fail(format!("`{}` cannot be read: {e}", token.display())))?;
    let findings = guard.explain(&token).await;
    let accepted = findings.iter().all(|finding| finding.accepted);
    if json {
        let findings: Vec<_> = findings
            .iter()
            .map(|f| json!({ "name": f.name, "accepted": f.accepted, "says": f.message }))
            .collect();
        say!(
            "{:#}",
            json!({ "accepted": accepted, "findings": findings })
        );
    } else {
        for finding in &findings {
            let mark = if finding.accepted { "ok" } else { "refused" };
            say!("{mark:<8} {:<10} {}", finding.name, finding.message);
        }
        let verdict = if accepted { "accepted" } else { "refused" };
        say!("the token is {verdict}");
    }
    if accepted {
        Ok(())
    } else {
        Err(Failure::Failed)
    }
}

fn print_json(built: &Result<App, BuildError>) -> Result<(), Failure> {
    let (report, done) = match built {
        Ok(app) => {
            let catalog = app.catalog();
            let components = catalog.components().iter();
            let describe = |one| super::inspect::describe(&catalog, one);
            let components: Vec<_> = components.map(describe).collect();
            let report = json!({
                "ok": true, "faults": [], "warnings": app.warnings(), "components": components,
            });
            (report, Ok(()))
        }
        Err(error) => {
            let faults: Vec<_> = error.problems.iter().map(|p| error_chain(p)).collect();
            let usage = error.problems.iter().any(Problem::is_configuration);
            let failure = if usage {
                Failure::Usage
            } else {
                Failure::Failed
            };
            (json!({ "ok": false, "faults": faults }), Err(failure))
        }
    };
    say!("{report:#}");
    done
}
