//! The files of a bundle: this program, the components, and the configuration.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::manifest::{FOLDER, PROGRAM};
use crate::catalog::Catalog;
use crate::cli::output::{Failure, fail, report};
use crate::config::Config;
use crate::reference::{COMPANION_EXTENSIONS, Reference, SIGNATURE_EXTENSIONS};
use crate::reload;
use crate::text::error_chain;

/// Path of the configuration in the bundle.
const CONFIG: &str = "toolcrib.toml";
/// Folder of the components in a bundle without a configuration.
const COMPONENTS: &str = "components";

/// The files of a bundle.
pub(super) struct Contents {
    /// The files by their paths in the bundle.
    pub(super) files: BTreeMap<String, PathBuf>,
    /// The arguments of the program.
    pub(super) arguments: Vec<String>,
}

impl Contents {
    /// Collects the files of loaded components. `is_configured` tells whether the configuration names them.
    ///
    /// # Errors
    /// Reported already: a file cannot be in a bundle, or a remote component has changed.
    pub(super) async fn collect(
        config: &Config,
        is_configured: bool,
        catalog: &Catalog,
    ) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| fail(format!("the path of this program is unknown: {error}")))?;
        let mut contents = Self {
            files: BTreeMap::from([(PROGRAM.to_owned(), program)]),
            arguments: vec!["stdio".into()],
        };
        if let Some(file) = &config.file {
            if let Some(value) = config.value_files.first() {
                return Err(fail(format!(
                    "the configuration takes a value from `{}`, which everybody with the bundle could read; take it from the \
                     environment with {{ env = \"NAME\" }}",
                    value.path.display()
                )));
            }
            contents.files.insert(CONFIG.into(), file.clone());
            contents.arguments.push("--config".into());
            contents.arguments.push(format!("{FOLDER}/{CONFIG}"));
        }
        for reference in &config.references {
            if reference.remote().is_none() {
                contents
                    .add_local(reference, config, !is_configured)
                    .map_err(fail)?;
            } else if !is_configured {
                contents.add_remote(reference, config, catalog).await?;
            }
            // Remote components of the configuration are fetched where the bundle is installed.
        }
        let parts = config.parts().map(|part| &part.reference);
        for part in parts.filter(|part| part.remote().is_none()) {
            contents.add_local(part, config, false).map_err(fail)?;
        }
        Ok(contents)
    }

    fn add_local(
        &mut self,
        reference: &Reference,
        config: &Config,
        is_argument: bool,
    ) -> Result<(), String> {
        let files = reference.resolve().map_err(|error| error.to_string())?;
        for file in files {
            let path = match &config.file {
                Some(config) => path_beside(config, &file.path)?,
                None => {
                    let name = file.path.file_name().unwrap_or_default();
                    format!("{COMPONENTS}/{}", name.to_string_lossy())
                }
            };
            self.add(&path, &file.path)?;
            for extension in SIGNATURE_EXTENSIONS {
                let mut signature = file.path.clone().into_os_string();
                signature.push(extension);
                if Path::new(&signature).is_file() {
                    self.add(&format!("{path}{extension}"), Path::new(&signature))?;
                }
            }
            for extension in COMPANION_EXTENSIONS {
                let companion = file.path.with_extension(extension);
                let beside = Path::new(&path).with_extension(extension);
                // The configuration itself may have the name of a component.
                if companion.is_file() && config.file.as_ref() != Some(&companion) {
                    self.add(&beside.to_string_lossy(), &companion)?;
                }
            }
            if is_argument {
                self.add_argument(&path, reference.tool())?;
            }
        }
        Ok(())
    }

    /// Adds a remote component, which has been loaded from the cache.
    async fn add_remote(
        &mut self,
        reference: &Reference,
        config: &Config,
        catalog: &Catalog,
    ) -> Result<(), Failure> {
        let Some(remote) = reference.remote() else {
            return Ok(());
        };
        let fetcher = reload::fetcher(config).map_err(|problems| report(&problems.into()))?;
        let fetched = fetcher.pull(remote).await;
        let artifact =
            fetched.map_err(|error| fail(format!("`{reference}`: {}", error_chain(&error))))?;
        let mut loaded = catalog.components().iter();
        if !loaded.any(|entry| *entry.component.digest == *artifact.digest) {
            return Err(fail(format!(
                "`{reference}` has changed while the bundle was made; repeat the command"
            )));
        }
        let path = format!("{COMPONENTS}/{}.wasm", remote.stem());
        let added = self.add(&path, &artifact.path);
        added
            .and_then(|()| self.add_argument(&path, reference.tool()))
            .map_err(fail)
    }

    fn add(&mut self, path: &str, file: &Path) -> Result<(), String> {
        match self.files.insert(path.to_owned(), file.to_owned()) {
            Some(other) if other != *file => Err(format!(
                "`{}` and `{}` would both be `{path}` in the bundle; rename one of them",
                other.display(),
                file.display()
            )),
            _ => Ok(()),
        }
    }

    fn add_argument(&mut self, path: &str, tool: Option<&str>) -> Result<(), String> {
        if path.contains(['*', '?', '[']) {
            return Err(format!(
                "the name of `{path}` would be a pattern as a reference; rename the file"
            ));
        }
        let tool = tool.map_or(String::new(), |tool| format!("#{tool}"));
        self.arguments.push(format!("{FOLDER}/{path}{tool}"));
        Ok(())
    }
}

/// Returns the path of a file relative to the folder of the configuration, where the configuration in the bundle finds it.
fn path_beside(config: &Path, file: &Path) -> Result<String, String> {
    let folder = config.parent().unwrap_or(Path::new(""));
    let relative = file.strip_prefix(folder).ok().filter(|path| {
        let mut parts = path.components();
        parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    });
    let parts = relative.and_then(|path| {
        let parts = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_str()),
            _ => None,
        });
        parts.collect::<Option<Vec<_>>>()
    });
    match parts {
        Some(parts) => Ok(parts.join("/")),
        None => Err(format!(
            "`{}` is not below the folder of the configuration, by a relative path, so the configuration would not find it in \
             the bundle; move it there",
            file.display()
        )),
    }
}
