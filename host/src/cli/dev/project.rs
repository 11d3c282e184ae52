//! Finds the build command, the components and the configuration of a project.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::reference::Reference;

/// The files in which `make` looks, in its order.
const MAKEFILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];
/// The target of a Makefile that builds the components. The Makefiles of `toolcrib new` have it.
const TARGET: &str = "build";
/// Size of a Makefile that is read.
const MAX_MAKEFILE_BYTES: u64 = 1 << 20;
/// The configuration of a project.
const CONFIG: &str = "toolcrib.toml";

/// A project in the current directory.
pub(super) struct Project {
    /// Builds the components; `None` if they are only served.
    pub(super) build: Option<BuildCommand>,
    pub(super) config: Option<PathBuf>,
}

/// A program and its arguments.
pub(super) struct BuildCommand {
    pub(super) program: &'static str,
    pub(super) arguments: Vec<OsString>,
    /// The command for people.
    pub(super) text: String,
}

impl Project {
    /// Makes the folder the current directory, and finds what is in it.
    ///
    /// # Errors
    /// One sentence: the folder cannot be used, or there is nothing to build or to serve.
    pub(super) fn enter(
        dir: Option<PathBuf>,
        config: Option<PathBuf>,
        build: Option<String>,
    ) -> Result<Self, String> {
        let dir = dir.unwrap_or_else(|| ".".into());
        let name = dir.display();
        // A relative path on the command line starts at the directory before.
        let config = config.map(std::path::absolute).transpose();
        let config = config.map_err(|error| format!("`--config` cannot be used: {error}"))?;
        std::env::set_current_dir(&dir).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!(
                "there is no folder `{name}`; create a project with `toolcrib new LANGUAGE NAME`"
            ),
            ErrorKind::NotADirectory => {
                format!("`{name}` is not a folder; name the folder of the project")
            }
            _ => format!("the folder `{name}` cannot be used: {error}"),
        })?;
        let build = match build {
            Some(text) => Some(BuildCommand {
                program: "/bin/sh",
                arguments: vec!["-c".into(), text.clone().into()],
                text,
            }),
            None => has_target()?.then(|| BuildCommand {
                program: "make",
                arguments: vec![TARGET.into()],
                text: format!("make {TARGET}"),
            }),
        };
        let own = Some(PathBuf::from(CONFIG)).filter(|own| own.exists());
        let config = config.or(own);
        if build.is_none() && config.is_none() && !has_components() {
            return Err(format!(
                "`{name}` has no Makefile with the target `{TARGET}`, no components and no {CONFIG}; create a project with \
                 `toolcrib new LANGUAGE NAME`, or name the command that builds this one with --build"
            ));
        }
        Ok(Self { build, config })
    }
}

fn has_components() -> bool {
    let here = Reference::parse(".", Path::new(""));
    here.is_ok_and(|here| here.resolve().is_ok())
}

/// Returns whether the Makefile has the target.
///
/// # Errors
/// It cannot be read.
fn has_target() -> Result<bool, String> {
    for name in MAKEFILES {
        let mut text = Vec::new();
        let read =
            File::open(name).and_then(|file| file.take(MAX_MAKEFILE_BYTES).read_to_end(&mut text));
        match read {
            Ok(_) => return Ok(String::from_utf8_lossy(&text).lines().any(is_rule)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(format!("`{name}` cannot be read: {error}")),
        }
    }
    Ok(false)
}

/// Returns whether a line of a Makefile is a rule of the target, such as `build: tool.wasm`.
fn is_rule(line: &str) -> bool {
    let is_target = |targets: &str| targets.split_ascii_whitespace().any(|name| name == TARGET);
    let is_assignment = |rest: &str| rest.trim_start_matches(':').starts_with('=');
    let line = line.split('#').next().unwrap_or_default();
    // A line of a recipe begins with a tab.
    let rule = line.split_once(':').filter(|_| !line.starts_with('\t'));
    rule.is_some_and(|(targets, rest)| is_target(targets) && !is_assignment(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_the_target() {
        for (line, expected) in [
            ("build: tool.wasm", true),
            ("build:", true),
            ("all build :", true),
            ("build := x", false),
            ("build = x", false),
            ("build ::= x", false),
            ("build:: x # y", true),
            (".PHONY: build", false),
            ("\tbuild: x", false),
            ("# build: x", false),
            ("build-all: x", false),
            ("build/core.wasm: x", false),
        ] {
            assert_eq!(is_rule(line), expected, "{line}");
        }
    }
}
