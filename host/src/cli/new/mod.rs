//! `toolcrib new`: a project for a component, from templates in this binary.

mod files;
mod language;
mod name;

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use clap::Args;

use super::output::{Failure, fail, fail_usage, notice, say};
use files::File;
use language::Language;

#[derive(Args)]
pub(super) struct New {
    /// The language.
    language: Language,
    /// The name of the project, its folder and its component: lower-case letters, digits, `-` and `_`.
    name: String,
    /// Export plain WIT functions, which become tools, instead of the interface of Toolcrib.
    #[arg(long)]
    functions: bool,
}

impl New {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self {
            language,
            name,
            functions,
        } = self;
        name::check(&name, language).map_err(fail_usage)?;
        let Some(files) = files::of(language, functions) else {
            return Err(fail_usage(format!(
                "there is no template of plain functions in {}; leave out `--functions` or choose another language",
                language.name()
            )));
        };
        let folder = Path::new(&name);
        create_folder(folder).map_err(fail)?;
        for file in &files {
            write(folder, file, &name).map_err(fail)?;
        }
        let kind = if functions {
            "plain functions"
        } else {
            "a tool"
        };
        let count = files.len();
        say!(
            "created {name}/ with {count} files: {kind} in {}",
            language.name()
        );
        let missing = language.missing();
        for program in &missing {
            notice(format!(
                "`{}` is missing: {}",
                program.name, program.installation
            ));
        }
        say!("");
        say!("next:");
        say!("  cd {name}");
        if let Some(step) = language.first_step() {
            say!("  {step}");
        }
        say!("  make test      # builds {name}.wasm and calls it");
        say!("  toolcrib dev   # builds after each change, and serves the tools");
        say!("  toolcrib serve --no-auth {name}.wasm");
        Ok(())
    }
}

/// Creates the folder of the project, or takes one that is empty.
fn create_folder(folder: &Path) -> Result<(), String> {
    let name = folder.display();
    match fs::create_dir(folder) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(format!("the folder `{name}` cannot be created: {error}")),
    }
    let mut entries = fs::read_dir(folder).map_err(|error| match error.kind() {
        ErrorKind::NotADirectory => {
            format!("`{name}` exists and is not a folder; choose another name")
        }
        _ => format!("the folder `{name}` cannot be read: {error}"),
    })?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(format!(
            "the folder `{name}` is not empty; choose another name, or empty the folder"
        )),
    }
}

/// Writes a file of the project. Never overwrites one.
fn write(folder: &Path, file: &File, name: &str) -> Result<(), String> {
    let path = folder.join(file.path);
    let text = name::replace(file.text, name);
    let written = match path.parent() {
        Some(parent) => fs::create_dir_all(parent),
        None => Ok(()),
    };
    written
        .and_then(|()| fs::File::create_new(&path))
        .and_then(|mut created| created.write_all(text.as_bytes()))
        .map_err(|error| {
            format!(
                "`{}` cannot be written, so the project is incomplete: {error}",
                path.display()
            )
        })
}
