//! Asks the servers that a configuration names, all at once, and reports each with the time that it took.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use super::output::{Failure, say};
use crate::app::{self, BuildError};
use crate::config::Config;
use crate::reload::OnlineCheck;

/// Time for each server.
const MAX_TIME: Duration = Duration::from_secs(10);

/// The answer of one server.
pub(super) struct Answer {
    name: String,
    time: Duration,
    /// One sentence; `None` if the server can be used.
    problem: Option<String>,
}

/// Asks all servers.
///
/// # Errors
/// Every problem because of which they cannot be asked.
pub(super) async fn ask(config: &Config) -> Result<Vec<Answer>, BuildError> {
    let checks = app::online_checks(config)?;
    Ok(join_all(checks.into_iter().map(ask_one)).await)
}

async fn ask_one(check: OnlineCheck) -> Answer {
    let started = Instant::now();
    let problem = match tokio::time::timeout(MAX_TIME, check.check).await {
        Ok(answered) => answered.err(),
        Err(_) => Some(format!("no answer within {} s", MAX_TIME.as_secs())),
    };
    Answer {
        name: check.name,
        time: started.elapsed(),
        problem,
    }
}

impl Answer {
    pub(super) fn is_ok(&self) -> bool {
        self.problem.is_none()
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        let (name, milliseconds) = (&self.name, self.time.as_millis());
        match &self.problem {
            None => say!("reached: {name} ({milliseconds} ms)"),
            Some(problem) => say!("failed: {name} ({milliseconds} ms): {problem}"),
        }
        Ok(())
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "ok": self.is_ok(),
            "milliseconds": self.time.as_millis() as u64,
            "fault": self.problem,
        })
    }
}
