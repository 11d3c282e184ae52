//! Resource templates, and matching URIs against their URI templates (RFC 6570).

use regex::Regex;

use super::rules::{MAX_URI_BYTES, display_name};
use crate::component::contract::Template;

/// Maximum number of expressions in one URI template. They determine the time that matching takes.
const MAX_EXPRESSIONS: usize = 16;

/// A resource template with its URI template compiled.
pub struct ResourceTemplate {
    /// The template as the component defines it.
    pub template: Template,
    pattern: Regex,
}

impl ResourceTemplate {
    /// Compiles the URI template.
    ///
    /// # Errors
    /// The defect of the URI template, as the predicate of a sentence.
    pub(super) fn new(template: Template) -> Result<Self, String> {
        Ok(Self {
            pattern: compile(&template.uri_template)?,
            template,
        })
    }

    /// Returns whether the template can expand to this URI.
    pub fn matches(&self, uri: &str) -> bool {
        uri.len() <= MAX_URI_BYTES && self.pattern.is_match(uri)
    }
}

/// Compiles a URI template of level 1, or of level 2 with `{+name}`, into a pattern for the URIs it expands to.
fn compile(uri_template: &str) -> Result<Regex, String> {
    let mut pattern = String::from("^");
    let mut rest = uri_template;
    let mut expressions = 0;
    while let Some((literal, after)) = rest.split_once('{') {
        push_literal(&mut pattern, literal)?;
        expressions += 1;
        if expressions > MAX_EXPRESSIONS {
            return Err(format!("has more than {MAX_EXPRESSIONS} expressions"));
        }
        let Some((expression, after)) = after.split_once('}') else {
            return Err("has a `{` without its `}`".into());
        };
        let (name, value_pattern) = match expression.strip_prefix('+') {
            Some(name) => (name, ".+"),
            None => (expression, "[^/?#]+"),
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!(
                "has the expression `{{{}}}`; `{{name}}` and `{{+name}}` are understood",
                display_name(expression)
            ));
        }
        pattern.push_str(value_pattern);
        rest = after;
    }
    push_literal(&mut pattern, rest)?;
    if expressions == 0 {
        return Err("has no expression; announce it as a resource".into());
    }
    pattern.push('$');
    Regex::new(&pattern).map_err(|e| format!("cannot be matched: {e}"))
}

fn push_literal(pattern: &mut String, literal: &str) -> Result<(), String> {
    if literal.contains('}') {
        return Err("has a `}` without its `{`".into());
    }
    pattern.push_str(&regex::escape(literal));
    Ok(())
}
