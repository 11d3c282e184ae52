//! The files of the templates, compiled into this binary.

use super::language::Language;

/// A file of a template.
#[derive(Clone, Copy)]
pub(super) struct File {
    /// The path in the project.
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

/// Lists files below a folder, which is relative to this file. They have the same paths in the project.
macro_rules! files {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[$(File { path: $path, text: include_str!(concat!($folder, $path)) }),*]
    };
}

/// Returns the files of a template. `None` if there is none of plain functions in the language.
pub(super) fn of(language: Language, functions: bool) -> Option<Vec<File>> {
    let groups: &[&[File]] = match (language, functions) {
        (Language::Rust, false) => &[RUST, RUST_BUILD, CONTRACT, RUST_LIBRARY],
        (Language::Rust, true) => &[RUST_FUNCTIONS, RUST_BUILD, FUNCTIONS],
        (Language::Python, false) => &[PYTHON, PYTHON_BUILD, CONTRACT, PYTHON_LIBRARY],
        (Language::Python, true) => &[PYTHON_FUNCTIONS, PYTHON_BUILD, FUNCTIONS],
        (Language::JavaScript, false) => {
            &[JAVASCRIPT, JAVASCRIPT_BUILD, CONTRACT, JAVASCRIPT_LIBRARY]
        }
        (Language::JavaScript, true) => &[JAVASCRIPT_FUNCTIONS, JAVASCRIPT_BUILD, FUNCTIONS],
        (Language::C, false) => &[C, C_JSON, C_TEST, CONTRACT, C_LIBRARY],
        (Language::Go, false) => &[GO, GO_TEST, CONTRACT, GO_LIBRARY],
        (Language::C | Language::Go, true) => return None,
        (Language::TypeScript, false) => &[
            TYPESCRIPT,
            JAVASCRIPT_TEST,
            JAVASCRIPT_BUILD,
            CONTRACT,
            JAVASCRIPT_LIBRARY,
        ],
        (Language::TypeScript, true) => &[
            TYPESCRIPT_FUNCTIONS,
            JAVASCRIPT_FUNCTIONS_TEST,
            JAVASCRIPT_BUILD,
            FUNCTIONS,
        ],
    };
    Some(groups.concat())
}

/// The contract.
const CONTRACT: &[File] = files!["../../../../":
    "wit/completions.wit",
    "wit/prompts.wit",
    "wit/resources.wit",
    "wit/tool.wit",
];

const RUST_LIBRARY: &[File] = files!["../../../../":
    "wit/rust/Cargo.toml",
    "wit/rust/macros/Cargo.toml",
    "wit/rust/macros/src/lib.rs",
    "wit/rust/macros/src/options.rs",
    "wit/rust/src/arguments.rs",
    "wit/rust/src/ask.rs",
    "wit/rust/src/call.rs",
    "wit/rust/src/error.rs",
    "wit/rust/src/lib.rs",
    "wit/rust/src/output.rs",
    "wit/rust/src/round.rs",
    "wit/rust/src/schema.rs",
];

const PYTHON_LIBRARY: &[File] = files!["../../../../":
    "wit/python/toolcrib_guest/__init__.py",
    "wit/python/toolcrib_guest/ask.py",
    "wit/python/toolcrib_guest/call.py",
    "wit/python/toolcrib_guest/component.py",
    "wit/python/toolcrib_guest/docstrings.py",
    "wit/python/toolcrib_guest/errors.py",
    "wit/python/toolcrib_guest/results.py",
    "wit/python/toolcrib_guest/rounds.py",
    "wit/python/toolcrib_guest/schemas.py",
    "wit/python/toolcrib_guest/tools.py",
    "wit/python/toolcrib_guest/warming.py",
];

const JAVASCRIPT_LIBRARY: &[File] = files!["../../../../":
    "wit/javascript/toolcrib.d.ts",
    "wit/javascript/toolcrib.js",
];

const C_LIBRARY: &[File] = files!["../../../../":
    "wit/c/component_type.c",
    "wit/c/tool_component.c",
    "wit/c/tool_component.h",
];

const GO_LIBRARY: &[File] = files!["../../../../":
    "wit/go/adapter/adapter.wat",
    "wit/go/adapter/adapter.wit",
    "wit/go/bindings/exports/export_toolcrib_mcp_tool/tool.go",
    "wit/go/bindings/exports/wit_exports/wit_exports.go",
    "wit/go/bindings/imports/toolcrib_mcp_call/empty.s",
    "wit/go/bindings/imports/toolcrib_mcp_call/wit_bindings.go",
    "wit/go/bindings/imports/toolcrib_mcp_types/wit_bindings.go",
    "wit/go/call.go",
    "wit/go/errors.go",
    "wit/go/go.mod",
    "wit/go/output.go",
    "wit/go/pkg/LICENSE",
    "wit/go/pkg/wit/runtime/empty.s",
    "wit/go/pkg/wit/runtime/runtime.go",
    "wit/go/pkg/wit/types/option.go",
    "wit/go/pkg/wit/types/result.go",
    "wit/go/schema.go",
    "wit/go/toolcrib.go",
];

/// Plain functions instead of the contract.
const FUNCTIONS: &[File] = files!["../../../templates/functions/":
    "wit/component.wit",
];

const RUST: &[File] = files!["../../../templates/rust/":
    "Cargo.toml",
    "README.md",
    "src/lib.rs",
    "tests/call.rs",
];

/// Files that both kinds of a project have.
const RUST_BUILD: &[File] = files!["../../../templates/rust/":
    ".cargo/config.toml",
    ".gitignore",
    "Makefile",
];

const RUST_FUNCTIONS: &[File] = files!["../../../templates/functions/rust/":
    "Cargo.toml",
    "README.md",
    "build.rs",
    "src/lib.rs",
    "tests/call.rs",
];

const PYTHON: &[File] = files!["../../../templates/python/":
    "Makefile",
    "README.md",
    "src/app.py",
    "tests/test_call.py",
];

const PYTHON_BUILD: &[File] = files!["../../../templates/python/":
    ".gitignore",
    "requirements.txt",
];

const PYTHON_FUNCTIONS: &[File] = files!["../../../templates/functions/python/":
    "Makefile",
    "README.md",
    "src/app.py",
    "tests/test_call.py",
];

const JAVASCRIPT: &[File] = files!["../../../templates/javascript/":
    "README.md",
    "package.json",
    "src/index.js",
    "tests/call.test.mjs",
];

/// Files that all projects in JavaScript and TypeScript have.
const JAVASCRIPT_BUILD: &[File] = files!["../../../templates/javascript/":
    ".gitignore",
    "Makefile",
];

const JAVASCRIPT_FUNCTIONS: &[File] = files!["../../../templates/functions/javascript/":
    "README.md",
    "package.json",
    "src/index.js",
    "tests/call.test.mjs",
];

const JAVASCRIPT_FUNCTIONS_TEST: &[File] = files!["../../../templates/functions/javascript/":
    "tests/call.test.mjs",
];

const TYPESCRIPT: &[File] = files!["../../../templates/typescript/":
    "README.md",
    "package.json",
    "src/index.ts",
    "tsconfig.json",
];

const TYPESCRIPT_FUNCTIONS: &[File] = files!["../../../templates/functions/typescript/":
    "README.md",
    "package.json",
    "src/index.ts",
    "tsconfig.json",
];

const JAVASCRIPT_TEST: &[File] = files!["../../../templates/javascript/": "tests/call.test.mjs"];

const GO: &[File] = files!["../../../templates/go/":
    ".gitignore",
    "Makefile",
    "README.md",
    "go.mod",
    "main.go",
    "requirements.txt",
];

const C: &[File] = files!["../../../templates/c/":
    ".gitignore",
    "Makefile",
    "README.md",
    "requirements.txt",
    "src/tool.c",
];

const C_JSON: &[File] = files!["../../../../guest-examples/c/": "src/json.c", "src/json.h"];

/// The tool in Go returns what the one in Python does.
const GO_TEST: &[File] = files!["../../../templates/python/": "tests/test_call.py"];

/// The tool in C counts as the plain functions do.
const C_TEST: &[File] = files!["../../../templates/functions/python/": "tests/test_call.py"];
