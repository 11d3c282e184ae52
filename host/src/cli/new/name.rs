//! Names of projects: checked, and put into the files of a template.

use super::language::Language;

/// The name of the project in the templates.
const PLACEHOLDER: &str = "my-tool";
/// The same as an identifier, such as the name of a library in Rust.
const PLACEHOLDER_IDENTIFIER: &str = "my_tool";

/// Longer names do not fit where the name becomes part of others, such as the 64 bytes of a tool's prefix.
const MAX_NAME_BYTES: usize = 40;

/// Names that a library in Rust cannot have: keywords, and crates that the project uses.
const RESERVED_IN_RUST: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "schemars",
    "self",
    "serde",
    "serde_json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "toolcrib_guest",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "wit_bindgen",
    "yield",
];

/// Checks a name for a project.
///
/// # Errors
/// One sentence that says how to choose another.
pub(super) fn check(name: &str, language: Language) -> Result<(), String> {
    let is_well_formed = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.split(['-', '_']).all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
    if !is_well_formed || name.len() > MAX_NAME_BYTES {
        return Err(format!(
            "`{name}` is not the name of a project: it has 1 to {MAX_NAME_BYTES} lower-case letters, digits, `-` and `_`, \
             starts with a letter, and has letters or digits on both sides of each `-` and `_`, such as `word-count`"
        ));
    }
    if language == Language::Rust && RESERVED_IN_RUST.contains(&identifier(name).as_str()) {
        return Err(format!(
            "`{name}` means something else in Rust; choose another name, such as `{name}-tool`"
        ));
    }
    Ok(())
}

/// Puts the name of a project into a file of a template.
pub(super) fn replace(text: &str, name: &str) -> String {
    text.replace(PLACEHOLDER, name)
        .replace(PLACEHOLDER_IDENTIFIER, &identifier(name))
}

fn identifier(name: &str) -> String {
    name.replace('-', "_")
}
