//! A configuration file.

use std::path::PathBuf;
use std::sync::LazyLock;

use tempfile::TempDir;
use toolcrib::auth::Guard;
use toolcrib::config::{Access, Config, Overrides};

/// The directory of the file, and of the files that seeds name.
static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("secret.txt"), "0123456789".repeat(8)).expect("a file");
    dir
});

/// Reads a configuration: either all of it is valid, or every error has a location and a sentence.
pub fn run(input: &[u8]) {
    let file: PathBuf = DIRECTORY.path().join("toolcrib.toml");
    std::fs::write(&file, input).expect("a writable directory");
    let overrides = Overrides {
        file: Some(file),
        ..Overrides::default()
    };
    match Config::load(&overrides) {
        Ok(config) => {
            // Debug output must not show a secret, whatever the file looks like.
            assert!(!format!("{config:?}").contains("01234567890123456789"));
            if let Access::Guarded(settings) = config.access
                && let Err(errors) = Guard::build(*settings)
            {
                assert!(!errors.is_empty(), "a refusal without a reason");
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "a refusal without a reason");
            for error in errors {
                assert!(!error.location.is_empty(), "{error}");
                super::assert_is_sentence_about(&error.message, input.len());
            }
        }
    }
}
