//! Files beside a component that describe it: `weather.toml` and `weather.wit` beside `weather.wasm`.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::fingerprint::Fingerprint;

/// Their extensions, instead of the component's.
pub(super) const COMPANION_EXTENSIONS: [&str; 2] = ["toml", "wit"];
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

/// Reads a file; an empty text if there is none.
fn read(path: &Path) -> Result<String, String> {
    // Without the flag, opening a pipe waits for its writer.
    let opened = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(String::new());
    }
    let mut text = String::new();
    let read = file.take(MAX_COMPANION_BYTES + 1).read_to_string(&mut text);
    match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(bytes) if bytes as u64 > MAX_COMPANION_BYTES => {
            Err(format!("is larger than {MAX_COMPANION_BYTES} bytes"))
        }
        Ok(_) => Ok(text),
    }
}
