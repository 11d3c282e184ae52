//! `toolcrib check`: reports every error in the configuration and the components, or explains a token.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use tracing::Level;

use super::inspect;
use super::loading::configure_loading;
use super::online::{self, Answer};
use super::options::{AccessOptions, ConfigOptions};
use super::output::{
    Failure, fail, fail_usage, failure_of, print_json, report, report_config_errors, say, summary,
};
use crate::app::{self, App, BuildError, Problem};
use crate::config::{Access, Config, Overrides, WatchMode};
use crate::telemetry::{self, AuditConfig, LogConfig, TelemetryConfig};
use crate::text::error_chain;

/// Upper limit of the token's file. The guard rejects longer tokens.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

#[derive(Args)]
pub(super) struct Check {
    /// Components: files (`#tool` selects one tool of a file), directories, glob patterns, https://… or oci://…
    #[arg(value_name = "REF")]
    references: Vec<String>,
    /// Say claim by claim why this token is accepted or refused; `-` reads it
    /// from standard input. It is not printed.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Also ask whether the issuers, the servers of components, the key-value store, the shared state and the granted hosts can be reached.
    #[arg(long, conflicts_with = "token")]
    online: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigOptions,
    #[command(flatten)]
    access: AccessOptions,
}

impl Check {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut overrides = self.config.overrides(self.references);
        self.access.apply(&mut overrides);
        let log = LogConfig {
            level: Level::WARN,
            ..LogConfig::default()
        };
        telemetry::init(&log).map_err(fail)?;
        if let Some(token) = &self.token {
            return check_token(&overrides, token, self.json).await;
        }
        let config = load(&overrides);
        let answers = match &config {
            Ok((config, _)) if self.online => online::ask(config).await,
            _ => Ok(Vec::new()),
        };
        let result = match config {
            Ok((mut config, mut problems)) => {
                // A check takes no part in the state that replicas share.
                config.shared = None;
                match App::build(config).await {
                    Ok(app) if problems.is_empty() => Ok(app),
                    built => {
                        problems.extend(built.err().into_iter().flat_map(|error| error.problems));
                        Err(BuildError { problems })
                    }
                }
            }
            Err(error) => Err(error),
        };
        // Of a problem that keeps servers from being asked, the application has told too.
        let answers = answers.unwrap_or_default();
        let mut warnings = Vec::new();
        if let Ok(app) = &result {
            warnings = app.warnings();
            warnings.extend(app.check_keys().await);
        }
        if self.json {
            return print_report(&result, &warnings, self.online.then_some(&answers));
        }
        for answer in &answers {
            answer.print()?;
        }
        let app = result.map_err(|error| report(&error))?;
        for entry in app.catalog().components() {
            let component = &entry.component;
            if let Some(signer) = &component.signed_by {
                say!("{}: signed by {signer}", component.name);
            }
        }
        // Grants come from the configuration file. Without one every import would be reported as not granted.
        if overrides.file.is_some() {
            for entry in app.catalog().components() {
                for import in entry.component.import_report() {
                    say!("{}: {import}", entry.component.name);
                }
            }
        }
        for entry in app.catalog().components() {
            for import in &entry.component.stubbed {
                say!("{}: {import} is a stub", entry.component.name);
            }
        }
        for warning in warnings {
            say!("warning: {warning}");
        }
        if !answers.iter().all(Answer::is_ok) {
            return Err(Failure::Failed);
        }
        say!("ok: {}", summary(&app.catalog()));
        Ok(())
    }
}

/// Reads the configuration for a check. Returns the problems of files that cannot be written too.
///
/// # Errors
/// Every error of the configuration.
fn load(overrides: &Overrides) -> Result<(Config, Vec<Problem>), BuildError> {
    let mut config = Config::load(overrides).map_err(|errors| BuildError {
        problems: errors.into_iter().map(Problem::Config).collect(),
    })?;
    // Components alone can be checked without saying who may call.
    if overrides.file.is_none() && matches!(config.access, Access::Unset) {
        config.access = Access::Open;
    }
    config.watch = WatchMode::Never;
    // The files of a running server are not written by a check.
    let telemetry = std::mem::take(&mut config.telemetry);
    configure_loading(&mut config);
    Ok((config, unwritable_files(&telemetry)))
}

/// Returns the problems of the files of the log and the audit.
fn unwritable_files(config: &TelemetryConfig) -> Vec<Problem> {
    let log = config.log.file.iter().filter_map(|path| {
        let error = telemetry::check_writable(path).err()?;
        let path = path.clone();
        Some(Problem::Log { path, error })
    });
    let audit = config.audit.iter().filter_map(AuditConfig::file);
    let audit = audit.filter_map(|path| {
        let error = telemetry::check_writable(path).err()?;
        let path = path.clone();
        Some(Problem::Audit { path, error })
    });
    log.chain(audit).collect()
}

async fn check_token(overrides: &Overrides, path: &Path, json: bool) -> Result<(), Failure> {
    let config = Config::load(overrides).map_err(|errors| report_config_errors(&errors))?;
    let guard = app::build_guard(&config).map_err(|problems| report(&BuildError { problems }))?;
    let Some(guard) = guard else {
        return Err(fail_usage(
            "the token cannot be checked: there is no [auth] section",
        ));
    };
    let read = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin().lock().take(MAX_TOKEN_BYTES))
    } else {
        std::fs::File::open(path).and_then(|f| std::io::read_to_string(f.take(MAX_TOKEN_BYTES)))
    };
    let token = read.map_err(|e| fail(format!("`{}` cannot be read: {e}", path.display())))?;
    let findings = guard.explain(bearer_token(&token)).await;
    let accepted = findings.iter().all(|finding| finding.accepted);
    if json {
        let findings: Vec<_> = findings
            .iter()
            .map(|f| json!({ "name": f.name, "accepted": f.accepted, "says": f.message }))
            .collect();
        print_json(&json!({ "accepted": accepted, "findings": findings }))?;
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

/// Returns the token of a file that contains the token alone, or the value of an `Authorization` header.
fn bearer_token(text: &str) -> &str {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start(),
        _ => text,
    }
}

/// Prints the report as JSON. `answers` are those of the servers, if they were asked.
fn print_report(
    result: &Result<App, BuildError>,
    warnings: &[String],
    answers: Option<&Vec<Answer>>,
) -> Result<(), Failure> {
    let has_failed = !answers.into_iter().flatten().all(Answer::is_ok);
    let add_answers = |mut report: Value| {
        if let Some(answers) = answers {
            report["online"] = answers.iter().map(Answer::to_json).collect();
        }
        report
    };
    match result {
        Ok(app) => {
            let catalog = app.catalog();
            let components = catalog.components().iter();
            let components: Vec<_> = components
                .map(|entry| inspect::describe(&catalog, entry))
                .collect();
            print_json(&add_answers(json!({
                "ok": !has_failed,
                "faults": [],
                "warnings": warnings,
                "components": components,
            })))?;
            match has_failed {
                true => Err(Failure::Failed),
                false => Ok(()),
            }
        }
        Err(error) => {
            let faults: Vec<_> = error.problems.iter().map(|p| error_chain(p)).collect();
            print_json(&add_answers(json!({ "ok": false, "faults": faults })))?;
            Err(failure_of(error))
        }
    }
}
