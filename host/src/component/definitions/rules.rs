//! Rules that all kinds of definitions share, and the errors of a definition that breaks one.

use serde_json::{Map, Value};

use crate::component::contract::Icon;
use crate::component::guest_json;
use crate::text::escape_untrusted;

/// Maximum length of a name of a tool or a prompt. Some clients drop all tools of a server if one name is longer.
pub(crate) const MAX_NAME_BYTES: usize = 64;
/// Maximum length of a title.
pub const MAX_TITLE_BYTES: usize = 256;
/// Maximum length of a description.
pub const MAX_DESCRIPTION_BYTES: usize = 16 << 10;
/// Maximum length of a URI and of a URI template.
pub(super) const MAX_URI_BYTES: usize = 2_048;
/// Maximum length of the name of a resource or an argument.
const MAX_LABEL_BYTES: usize = 256;
const MAX_ICONS: usize = 16;
const MAX_ICON_BYTES: usize = 64 << 10;
const MAX_META_BYTES: usize = 64 << 10;
/// Maximum length of a name in an error message.
const MAX_DISPLAY_NAME_CHARS: usize = 100;

/// A violation of one rule by one definition.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// The component has too many definitions of a kind.
    #[error("it defines {0} {1}; {2} are allowed")]
    TooMany(usize, &'static str, usize),
    /// A name has forbidden characters or an invalid length.
    #[error(
        "the {0} name {1:?} is not 1 to {MAX_NAME_BYTES} characters of `A-Z a-z 0-9 _ -`; rename \
         it in the component's definitions"
    )]
    Name(&'static str, String),
    /// Two definitions have the same name or URI.
    #[error("it defines the {0} `{1}` twice; rename one of them in its definitions")]
    Duplicate(&'static str, String),
    /// A part of a definition is invalid.
    #[error("the {part} of its {kind} `{name}` {problem}")]
    Part {
        /// The kind of definition, such as `tool`.
        kind: &'static str,
        /// The name or URI of the definition.
        name: String,
        /// The invalid part, such as `input schema`.
        part: &'static str,
        /// The problem, as the predicate of a sentence.
        problem: String,
    },
}

impl DefinitionError {
    pub(super) fn invalid_name(kind: &'static str, name: &str) -> Self {
        // `Display` escapes it.
        Self::Name(kind, name.chars().take(MAX_DISPLAY_NAME_CHARS).collect())
    }

    pub(super) fn duplicate(kind: &'static str, name: &str) -> Self {
        Self::Duplicate(kind, display_name(name))
    }
}

/// Returns a guest's name as error messages show it: truncated and escaped.
pub(crate) fn display_name(name: &str) -> String {
    let name: String = name.chars().take(MAX_DISPLAY_NAME_CHARS).collect();
    escape_untrusted(&name).into_owned()
}

/// Returns whether all MCP clients accept this name.
pub fn is_tool_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Rejects more than `max` definitions of a kind before any of them is looked at.
pub(super) fn check_count(
    count: usize,
    kinds: &'static str,
    max: usize,
) -> Result<(), Vec<DefinitionError>> {
    match count > max {
        true => Err(vec![DefinitionError::TooMany(count, kinds, max)]),
        false => Ok(()),
    }
}

/// Returns `checked` if there are no errors.
pub(super) fn unless_errors<T>(
    errors: Vec<DefinitionError>,
    checked: T,
) -> Result<T, Vec<DefinitionError>> {
    match errors.is_empty() {
        true => Ok(checked),
        false => Err(errors),
    }
}

/// Checks the parts of one definition and collects the errors.
pub(super) struct PartChecker<'a> {
    kind: &'static str,
    name: &'a str,
    errors: &'a mut Vec<DefinitionError>,
}

impl<'a> PartChecker<'a> {
    pub(super) fn new(
        kind: &'static str,
        name: &'a str,
        errors: &'a mut Vec<DefinitionError>,
    ) -> Self {
        Self { kind, name, errors }
    }

    /// Adds an error.
    pub(super) fn report(&mut self, part: &'static str, problem: impl Into<String>) {
        self.errors.push(DefinitionError::Part {
            kind: self.kind,
            name: display_name(self.name),
            part,
            problem: problem.into(),
        });
    }

    pub(super) fn length(&mut self, part: &'static str, text: &str, max_bytes: usize) {
        if text.len() > max_bytes {
            self.report(part, format!("is longer than {max_bytes} bytes"));
        }
    }

    pub(super) fn title(&mut self, part: &'static str, title: Option<&str>) {
        self.length(part, title.unwrap_or_default(), MAX_TITLE_BYTES);
    }

    pub(super) fn description(&mut self, part: &'static str, description: Option<&str>) {
        self.length(part, description.unwrap_or_default(), MAX_DESCRIPTION_BYTES);
    }

    /// Checks the name of a resource or an argument, which may have any characters.
    pub(super) fn label(&mut self, part: &'static str, name: &str) {
        if name.is_empty() {
            self.report(part, "is empty");
        }
        self.length(part, name, MAX_LABEL_BYTES);
    }

    pub(super) fn icons(&mut self, icons: &[Icon]) {
        if icons.len() > MAX_ICONS {
            self.report("icon list", format!("has more than {MAX_ICONS} entries"));
        }
        for icon in icons {
            self.length("icon", &icon.src, MAX_ICON_BYTES);
            if !icon.src.starts_with("https:") && !icon.src.starts_with("data:") {
                self.report("icon", "is neither an `https:` nor a `data:` URI");
            }
        }
    }

    /// Checks and parses `_meta`.
    pub(super) fn meta(&mut self, meta: Option<&str>) -> Option<Map<String, Value>> {
        let text = meta?;
        self.length("meta", text, MAX_META_BYTES);
        match guest_json::parse(text) {
            Ok(Value::Object(meta)) => Some(meta),
            _ => {
                self.report("meta", "is not a JSON object");
                None
            }
        }
    }

    /// Checks that a URI or a URI template is absolute (RFC 3986, section 3).
    pub(super) fn uri(&mut self, uri: &str) {
        self.length("URI", uri, MAX_URI_BYTES);
        let is_absolute = uri.split_once(':').is_some_and(|(scheme, rest)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                && !rest.is_empty()
        });
        if !is_absolute || uri.contains(|c: char| c.is_whitespace() || c.is_control()) {
            self.report(
                "URI",
                "is not an absolute URI such as `handbook://chapters/1`",
            );
        }
    }
}
