//! The languages of templates, and the programs that their projects need.

use std::env;
use std::os::unix::fs::PermissionsExt;

use clap::ValueEnum;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    Rust,
    Python,
    #[value(name = "typescript")]
    TypeScript,
    #[value(name = "javascript")]
    JavaScript,
    C,
    Go,
}

/// A program that a project needs.
#[derive(Clone, Copy)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) installation: &'static str,
}

const MAKE: Program = Program {
    name: "make",
    installation: "install it with `apt-get install make`",
};
const CARGO: Program = Program {
    name: "cargo",
    installation: "install Rust with rustup, from https://rustup.rs",
};
const C_COMPILER: Program = Program {
    name: "cc",
    installation: "install it with `apt-get install gcc libc6-dev`; Rust links with it",
};
const PYTHON: Program = Program {
    name: "python3",
    installation: "install it with `apt-get install python3 python3-venv`",
};
const GO: Program = Program {
    name: "go",
    installation: "install Go 1.25 or newer from https://go.dev/dl",
};
const NODE: Program = Program {
    name: "node",
    installation: "install it with `apt-get install nodejs npm`, or from https://nodejs.org",
};
const NPM: Program = Program {
    name: "npm",
    installation: "install it with `apt-get install npm`, or from https://nodejs.org",
};

impl Language {
    /// Returns the name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::TypeScript => "TypeScript",
            Self::JavaScript => "JavaScript",
            Self::C => "C",
            Self::Go => "Go",
        }
    }

    /// Returns the programs that are not in a directory of `PATH`.
    pub(super) fn missing(self) -> Vec<Program> {
        let programs: &[Program] = match self {
            Self::Rust => &[MAKE, CARGO, C_COMPILER],
            Self::Python | Self::C => &[MAKE, PYTHON],
            Self::Go => &[MAKE, GO, PYTHON],
            Self::TypeScript | Self::JavaScript => &[MAKE, NODE, NPM],
        };
        let programs = programs.iter().copied();
        programs
            .filter(|program| !is_installed(program.name))
            .collect()
    }

    /// Returns a command that a user runs once for the language.
    pub(super) fn first_step(self) -> Option<&'static str> {
        match self {
            Self::Rust => Some("rustup target add wasm32-wasip2"),
            Self::Python | Self::TypeScript | Self::JavaScript | Self::C | Self::Go => None,
        }
    }
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| {
        let found = dir.join(program).metadata();
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}
