//! The manifest of a bundle, `manifest.json` of the MCPB specification, version 0.3.

use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::text::ellipsize;

/// Path of this program in the bundle.
pub(super) const PROGRAM: &str = "server/toolcrib";
/// Variable that clients replace with the folder of the unpacked bundle.
pub(super) const FOLDER: &str = "${__dirname}";

/// Length of a name. Clients make folders of it.
const MAX_NAME_BYTES: usize = 64;
/// Length of descriptions, which clients show in lists.
const MAX_DESCRIPTION_BYTES: usize = 1_000;

/// The author's description of a bundle.
pub(super) struct Description {
    name: String,
    version: String,
    text: Option<String>,
    author: String,
}

impl Description {
    /// Checks the parts.
    ///
    /// # Errors
    /// One sentence: the name or the version is not accepted by clients.
    pub(super) fn new(
        name: String,
        version: String,
        text: Option<String>,
        author: String,
    ) -> Result<Self, String> {
        let is_accepted =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.len() <= MAX_NAME_BYTES
            && name.chars().all(is_accepted);
        if !is_name {
            return Err(format!(
                "{name:?} is no name of a bundle: it has 1 to {MAX_NAME_BYTES} lower-case letters, digits, `-`, `_` and `.`; \
                 choose one with --name"
            ));
        }
        if !is_version(&version) {
            return Err(format!(
                "{version:?} is no version of a bundle; write three numbers, such as 1.2.0"
            ));
        }
        Ok(Self {
            name,
            version,
            text,
            author,
        })
    }

    /// Returns the manifest. The program is started with `arguments`.
    pub(super) fn manifest(&self, arguments: &[String], catalog: &Catalog) -> Value {
        let tools = catalog.tools().map(|tool| {
            let description = ellipsize(tool.description(), MAX_DESCRIPTION_BYTES);
            json!({ "name": tool.name, "description": description })
        });
        let names: Vec<_> = catalog.tools().map(|tool| tool.name.as_str()).collect();
        let own = format!("Tools: {}", names.join(", "));
        let text = self.text.as_deref().unwrap_or(&own);
        let platform = match cfg!(target_os = "macos") {
            true => "darwin",
            false => "linux",
        };
        json!({
            "manifest_version": "0.3",
            "name": self.name,
            "version": self.version,
            "description": ellipsize(text, MAX_DESCRIPTION_BYTES),
            "author": { "name": self.author },
            "server": {
                "type": "binary",
                "entry_point": PROGRAM,
                "mcp_config": {
                    "command": format!("{FOLDER}/{PROGRAM}"),
                    "args": arguments,
                    "env": {},
                },
            },
            "tools": tools.collect::<Vec<_>>(),
            "compatibility": { "platforms": [platform] },
        })
    }
}

/// Returns whether this is a version as in Semantic Versioning.
fn is_version(text: &str) -> bool {
    let numbers_end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, suffix) = text.split_at(numbers_end);
    let numbers: Vec<_> = numbers.split('.').collect();
    let is_number = |number: &&str| {
        number
            .parse::<u32>()
            .is_ok_and(|n| n.to_string() == **number)
    };
    let is_suffix = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
    numbers.len() == 3 && numbers.iter().all(is_number) && suffix.chars().all(is_suffix)
}
