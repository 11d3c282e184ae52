//! Files beside a component that describe it: `weather.toml` and `weather.wit` beside `weather.wasm`.

use std::io::ErrorKind;
use std::path::Path;

use super::fingerprint::Fingerprint;
use crate::files::read_regular_text;

/// Their extensions, instead of the component's.
pub const COMPANION_EXTENSIONS: [&str; 2] = ["toml", "wit"];
/// Maximum size of one.
const MAX_COMPANION_BYTES: u64 = 1 << 20;

/// The files beside a component. Empty texts if there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Companions {
    /// The text of the TOML file.
    pub toml: String,
    /// The text of the WIT file.
    pub wit: String,
    /// The problems of those that cannot be read, as sentences.
    pub problems: Vec<String>,
}

/// The state of the files beside a component.
pub type CompanionState = [Option<Fingerprint>; 2];

/// Returns the state of the files beside a component.
pub fn companion_state(component: &Path) -> CompanionState {
    COMPANION_EXTENSIONS.map(|extension| {
        let metadata = component.with_extension(extension).metadata().ok()?;
        Some(Fingerprint::of(&metadata))
    })
}

impl Companions {
    /// Reads the files beside a component.
    pub fn read(component: &Path) -> Self {
        let mut problems = Vec::new();
        let [toml, wit] = COMPANION_EXTENSIONS.map(|extension| {
            let path = component.with_extension(extension);
            match read(&path) {
                Ok(text) => text,
                Err(problem) => {
                    problems.push(format!("`{}` {problem}", path.display()));
                    String::new()
                }
            }
        });
        Self {
            toml,
            wit,
            problems,
        }
    }
}

/// Reads a file; an empty text if there is none. A directory or a pipe of that name is not meant.
fn read(path: &Path) -> Result<String, String> {
    match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Ok(metadata) if !metadata.is_file() => Ok(String::new()),
        _ => read_regular_text(path, MAX_COMPANION_BYTES)
            .map_err(|error| format!("cannot be read: {error}")),
    }
}
