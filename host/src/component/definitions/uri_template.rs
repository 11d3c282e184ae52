//! Resource templates, and matching URIs against their URI templates (RFC 6570).

use regex::Regex;

use super::rules::{MAX_URI_BYTES, display_name};
use super::uri_pattern::{Class, UriPattern};
use crate::component::contract::Template;

/// Maximum number of expressions in one URI template. They determine the time that matching takes.
const MAX_EXPRESSIONS: usize = 16;

/// A resource template with its URI template compiled.
pub struct ResourceTemplate {
    /// The template as the component defines it.
    pub template: Template,
    regex: Regex,
    pattern: UriPattern,
}

impl ResourceTemplate {
    /// Compiles the URI template.
    ///
    /// # Errors
    /// The defect of the URI template, as the predicate of a sentence.
    pub(super) fn new(template: Template) -> Result<Self, String> {
        let (regex, pattern) = compile(&template.uri_template)?;
        Ok(Self {
            template,
            regex,
            pattern,
        })
    }

    /// Returns whether the template can expand to this URI.
    pub fn matches(&self, uri: &str) -> bool {
        uri.len() <= MAX_URI_BYTES && self.regex.is_match(uri)
    }

    /// Returns the URIs that the template can expand to.
    pub(crate) fn pattern(&self) -> &UriPattern {
        &self.pattern
    }
}

/// Compiles a URI template of level 1, or of level 2 with `{+name}`, into a regular expression for the URIs it expands
/// to, and the same as a pattern that can be compared with others.
fn compile(uri_template: &str) -> Result<(Regex, UriPattern), String> {
    let mut regex = String::from("^");
    let mut pattern = UriPattern::of_uri("");
    let mut rest = uri_template;
    let mut expressions = 0;
    while let Some((literal, after)) = rest.split_once('{') {
        push_literal(&mut regex, &mut pattern, literal)?;
        expressions += 1;
        if expressions > MAX_EXPRESSIONS {
            return Err(format!("has more than {MAX_EXPRESSIONS} expressions"));
        }
        let Some((expression, after)) = after.split_once('}') else {
            return Err("has a `{` without its `}`".into());
        };
        let (name, value_regex, class) = match expression.strip_prefix('+') {
            Some(name) => (name, ".+", Class::Any),
            None => (expression, "[^/?#]+", Class::Segment),
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!(
                "has the expression `{{{}}}`; `{{name}}` and `{{+name}}` are understood",
                display_name(expression)
            ));
        }
        regex.push_str(value_regex);
        pattern.push_expression(class);
        rest = after;
    }
    push_literal(&mut regex, &mut pattern, rest)?;
    if expressions == 0 {
        return Err("has no expression; announce it as a resource".into());
    }
    regex.push('$');
    let regex = Regex::new(&regex).map_err(|e| format!("cannot be matched: {e}"))?;
    Ok((regex, pattern))
}

fn push_literal(regex: &mut String, pattern: &mut UriPattern, literal: &str) -> Result<(), String> {
    if literal.contains('}') {
        return Err("has a `}` without its `{`".into());
    }
    regex.push_str(&::regex::escape(literal));
    pattern.push_literal(literal);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::uri_pattern::{TooMuchWork, Work};
    use super::*;

    /// Compares two URIs or templates.
    fn overlaps(one: &str, other: &str, mut work: Work) -> Result<bool, TooMuchWork> {
        let pattern = |text: &str| match compile(text) {
            Ok((_, pattern)) => pattern,
            Err(_) => UriPattern::of_uri(text),
        };
        pattern(one).overlaps(&pattern(other), &mut work)
    }

    #[test]
    fn templates_overlap_if_some_uri_matches_both() {
        for (one, other, expected) in [
            ("a:b", "a:b", true),
            ("a:b", "a:bc", false),
            ("a:{x}", "a:b", true),
            ("a:{x}", "a:", false),
            ("a:{x}", "a:b/c", false),
            ("a:{+x}", "a:b/c", true),
            ("a:{x}", "b:{x}", false),
            ("a:{x}", "A:{x}", false),
            ("a:{x}", "a:{y}/b", false),
            ("a:{+x}", "a:{y}/b", true),
            ("a:{x}/b", "a:{x}/c", false),
            ("a:{x}/b", "a:c/{y}", true),
            ("a:{x}b", "a:c{y}", true),
            ("a:{x}b{y}", "a:{x}c{y}", true),
            ("a:{x}.txt", "a:{x}.md", false),
            ("a:{+x}.txt", "a:{+x}/b.txt", true),
            ("a:{x}{y}", "a:b", false),
            ("a:{x}{y}", "a:bc", true),
            ("a:{x}{y}{z}", "a:{x}", true),
            ("a:b{x}", "a:{y}", true),
            ("a://{x}/{+y}?q={z}", "a://h/p?q=1", true),
            ("a://{x}/{+y}?q={z}", "a://h/p?r=1", false),
            ("a:é{x}", "a:{+x}è", true),
            ("a:é{x}", "a:è{x}", false),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                let found = overlaps(one, other, Work(1_000));
                assert_eq!(found, Ok(expected), "{one} {other}");
            }
        }
    }

    #[test]
    fn a_comparison_ends_at_its_limit_of_work() {
        let one = format!("a:{{+x}}{}b", "c".repeat(1_000));
        let other = format!("a:{{+x}}{}d", "c".repeat(1_000));
        assert_eq!(overlaps(&one, &other, Work(10_000)), Err(TooMuchWork));
        assert_eq!(overlaps(&one, &other, Work(10_000_000)), Ok(false));
        // The beginnings of these differ.
        assert_eq!(overlaps(&one, &format!("b{other}"), Work(10)), Ok(false));
    }
}
