//! `toolcrib check`

use clap::Args;
use serde_json::json;

use super::{Access, Common, Failure, chain, count, report, telemetry};
use crate::app::{App, BuildError, Problem};
use crate::config::{self, Config};

#[derive(Args)]
pub(super) struct Check {
    /// Components: a file, a directory or a glob pattern.
    #[arg(value_name = "REF")]
    references: Vec<String>,
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
        telemetry::init(telemetry::Settings {
            level: tracing::Level::WARN,
            ..telemetry::Settings::default()
        });
        let built = match Config::load(&overrides) {
            Ok(mut config) => {
                // Components alone are checked without anybody to serve them to.
                if overrides.file.is_none() && matches!(config.access, config::Access::Unset) {
                    config.access = config::Access::Open;
                }
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
        for warning in app.warnings() {
            say!("warning: {warning}");
        }
        say!(
            "ok: {} from {}",
            count(app.catalog().tools().len(), "tool"),
            count(app.catalog().components().len(), "component"),
        );
        Ok(())
    }
}

fn print_json(built: &Result<App, BuildError>) -> Result<(), Failure> {
    let (report, done) = match built {
        Ok(app) => {
            let components = app.catalog().components().iter();
            let components: Vec<_> = components.map(|c| super::inspect::describe(c)).collect();
            let report = json!({
                "ok": true, "faults": [], "warnings": app.warnings(), "components": components,
            });
            (report, Ok(()))
        }
        Err(error) => {
            let faults: Vec<_> = error.problems.iter().map(|p| chain(p)).collect();
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
