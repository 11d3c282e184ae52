//! The descriptions beside a component's file, `weather.toml` and `weather.wit` beside `weather.wasm`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::problem::ComponentProblem;
use crate::catalog::ToolConfig;
use crate::component;
use crate::config::read_companion;
use crate::reference::{self, CompanionState, Companions, ComponentFile};

/// The descriptions beside a component's file.
#[derive(Debug, Default)]
pub(super) struct Described {
    /// The state of the files; `None` if a later version could have the same one.
    pub(super) state: Option<CompanionState>,
    /// The descriptions of tools.
    pub(super) tools: BTreeMap<String, ToolConfig>,
    /// WIT with documentation.
    pub(super) wit: String,
}

impl Described {
    /// Returns the state of the files beside a component's file; without any if it `is_pinned` or remote.
    pub(super) async fn state(file: &ComponentFile, is_pinned: bool) -> CompanionState {
        if is_pinned || file.origin.is_some() {
            return CompanionState::default();
        }
        let path = file.path.clone();
        let state = tokio::task::spawn_blocking(move || reference::companion_state(&path));
        // Fails only if the runtime shuts down.
        state.await.unwrap_or_default()
    }

    /// Reads the files, whose state was `state`. A file counts as completely written from the age `settle_time`.
    ///
    /// # Errors
    /// Every problem of the files.
    pub(super) async fn read(
        file: &ComponentFile,
        state: CompanionState,
        settle_time: Duration,
    ) -> Result<Self, Vec<ComponentProblem>> {
        if state == CompanionState::default() {
            return Ok(Self {
                state: Some(state),
                ..Self::default()
            });
        }
        let path = file.path.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let companions = Companions::read(&path);
            let toml = path.with_extension("toml");
            let tools = read_companion(&toml.display().to_string(), &companions.toml);
            if let Err(error) = component::check_wit(&companions.wit) {
                tracing::warn!(
                    file = %path.with_extension("wit").display(), %error,
                    "no documentation is taken from a WIT file that cannot be read; correct it"
                );
            }
            (companions, tools)
        });
        let Ok((companions, tools)) = reading.await else {
            return Ok(Self::default());
        };
        let problems = companions.problems.into_iter();
        let mut problems: Vec<_> = problems.map(ComponentProblem::Description).collect();
        let tools = tools.unwrap_or_else(|errors| {
            let errors = errors.iter().map(ToString::to_string);
            problems.extend(errors.map(ComponentProblem::Description));
            BTreeMap::new()
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        // Another change soon after may leave the same state.
        let is_settled = |fingerprint: &reference::Fingerprint| {
            fingerprint.age().is_some_and(|age| age >= settle_time)
        };
        Ok(Self {
            state: (state.iter().flatten().all(is_settled)).then_some(state),
            tools,
            wit: companions.wit,
        })
    }
}
