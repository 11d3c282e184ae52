//! What a component offers beside tools, checked: prompts, documents, and
//! families of documents. All of it comes from a guest and is input.

use std::collections::BTreeSet;

use regex::Regex;

use super::contract::{Prompt, PromptArgument, Resource, Template};
use super::definition::{
    DefinitionError, MAX_DESCRIPTION_BYTES, MAX_TITLE_BYTES, check_icons, check_length, check_meta,
    is_tool_name, shown,
};

/// Prompts that one component may define.
const MAX_PROMPTS: usize = 1_000;
/// Arguments of one prompt.
const MAX_ARGUMENTS: usize = 64;
/// Documents that one component may announce by name.
const MAX_RESOURCES: usize = 10_000;
/// Templates of one component; a URI may be held against all of them.
const MAX_TEMPLATES: usize = 100;
/// Expressions in one template; what matches a URI grows with them.
const MAX_EXPRESSIONS: usize = 16;
/// The longest URI and the longest template.
const MAX_URI_BYTES: usize = 2_048;
/// The longest name of a document or of an argument.
const MAX_LABEL_BYTES: usize = 256;

/// A family of documents, and which URIs are of it.
pub struct ResourceTemplate {
    /// As the component announces it.
    pub template: Template,
    pattern: Regex,
}

impl ResourceTemplate {
    /// Whether this URI names one of its documents.
    pub fn has(&self, uri: &str) -> bool {
        uri.len() <= MAX_URI_BYTES && self.pattern.is_match(uri)
    }
}

/// Checks all prompts of a component and sorts them by name.
///
/// # Errors
/// Every fault of every prompt.
pub(super) fn check_prompts(mut prompts: Vec<Prompt>) -> Result<Vec<Prompt>, Vec<DefinitionError>> {
    if prompts.len() > MAX_PROMPTS {
        return Err(vec![DefinitionError::TooMany(
            prompts.len(),
            "prompts",
            MAX_PROMPTS,
        )]);
    }
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for prompt in &prompts {
        if !is_tool_name(&prompt.name) {
            faults.push(DefinitionError::name("prompt", &prompt.name));
        } else if !names.insert(&prompt.name) {
            faults.push(DefinitionError::duplicate("prompt", &prompt.name));
        }
        let mut fault =
            |part, what| faults.push(DefinitionError::part("prompt", &prompt.name, part, what));
        check_texts((&prompt.title, &prompt.description), &mut fault);
        check_icons(&prompt.icons, &mut fault);
        check_meta(prompt.meta.as_deref(), &mut fault);
        if prompt.arguments.len() > MAX_ARGUMENTS {
            let what = format!("has more than {MAX_ARGUMENTS} entries");
            fault("argument list", what);
        }
        let mut arguments = BTreeSet::new();
        for argument in &prompt.arguments {
            check_argument(argument, &mut fault);
            if !arguments.insert(&argument.name) {
                let name = shown(&argument.name);
                fault("argument list", format!("has `{name}` twice"));
            }
        }
    }
    prompts.sort_by(|a, b| a.name.cmp(&b.name));
    unless(faults, prompts)
}

/// Checks all documents of a component and sorts them by URI.
///
/// # Errors
/// Every fault of every document.
pub(super) fn check_resources(
    mut resources: Vec<Resource>,
) -> Result<Vec<Resource>, Vec<DefinitionError>> {
    if resources.len() > MAX_RESOURCES {
        let count = resources.len();
        return Err(vec![DefinitionError::TooMany(
            count,
            "resources",
            MAX_RESOURCES,
        )]);
    }
    let mut faults = Vec::new();
    let mut uris = BTreeSet::new();
    for resource in &resources {
        if !uris.insert(&resource.uri) {
            faults.push(DefinitionError::duplicate("resource", &resource.uri));
        }
        let mut fault =
            |part, what| faults.push(DefinitionError::part("resource", &resource.uri, part, what));
        check_uri(&resource.uri, &mut fault);
        check_label("name", &resource.name, &mut fault);
        check_texts((&resource.title, &resource.description), &mut fault);
        check_icons(&resource.icons, &mut fault);
        check_meta(resource.meta.as_deref(), &mut fault);
    }
    resources.sort_by(|a, b| a.uri.cmp(&b.uri));
    unless(faults, resources)
}

/// Checks all templates of a component and sorts them.
///
/// # Errors
/// Every fault of every template.
pub(super) fn check_templates(
    templates: Vec<Template>,
) -> Result<Vec<ResourceTemplate>, Vec<DefinitionError>> {
    if templates.len() > MAX_TEMPLATES {
        let count = templates.len();
        return Err(vec![DefinitionError::TooMany(
            count,
            "templates",
            MAX_TEMPLATES,
        )]);
    }
    let mut faults = Vec::new();
    let mut checked: Vec<ResourceTemplate> = Vec::new();
    for template in templates {
        let uri = &template.uri_template;
        let mut fault =
            |part, what| faults.push(DefinitionError::part("template", uri, part, what));
        check_uri(uri, &mut fault);
        check_label("name", &template.name, &mut fault);
        check_texts((&template.title, &template.description), &mut fault);
        check_icons(&template.icons, &mut fault);
        check_meta(template.meta.as_deref(), &mut fault);
        match pattern(uri) {
            Ok(pattern) => checked.push(ResourceTemplate { template, pattern }),
            Err(what) => fault("URI template", what),
        }
    }
    checked.sort_by(|a, b| a.template.uri_template.cmp(&b.template.uri_template));
    for pair in checked.windows(2) {
        let uri = &pair[1].template.uri_template;
        if *uri == pair[0].template.uri_template {
            faults.push(DefinitionError::duplicate("template", uri));
        }
    }
    unless(faults, checked)
}

fn unless<T>(faults: Vec<DefinitionError>, checked: T) -> Result<T, Vec<DefinitionError>> {
    if faults.is_empty() {
        Ok(checked)
    } else {
        Err(faults)
    }
}

fn check_texts(
    (title, description): (&Option<String>, &Option<String>),
    fault: &mut impl FnMut(&'static str, String),
) {
    if let Some(title) = title {
        check_length("title", title, MAX_TITLE_BYTES, fault);
    }
    if let Some(description) = description {
        check_length("description", description, MAX_DESCRIPTION_BYTES, fault);
    }
}

fn check_argument(argument: &PromptArgument, fault: &mut impl FnMut(&'static str, String)) {
    check_label("argument name", &argument.name, fault);
    if let Some(title) = &argument.title {
        check_length("argument title", title, MAX_TITLE_BYTES, fault);
    }
    if let Some(text) = &argument.description {
        check_length("argument description", text, MAX_DESCRIPTION_BYTES, fault);
    }
}

fn check_label(part: &'static str, name: &str, fault: &mut impl FnMut(&'static str, String)) {
    if name.is_empty() {
        fault(part, "is empty".into());
    }
    check_length(part, name, MAX_LABEL_BYTES, fault);
}

/// RFC 3986, section 3: a scheme and something after it.
fn check_uri(uri: &str, fault: &mut impl FnMut(&'static str, String)) {
    check_length("URI", uri, MAX_URI_BYTES, fault);
    let is_uri = uri.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && !rest.is_empty()
    });
    if !is_uri || uri.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let what = "is not an absolute URI such as `handbook://chapters/1`";
        fault("URI", what.into());
    }
}

/// What matches an RFC 6570 template of level 1, and of level 2 with `{+name}`.
fn pattern(template: &str) -> Result<Regex, String> {
    let mut pattern = String::from("^");
    let mut rest = template;
    let mut expressions = 0;
    while let Some((literal, after)) = rest.split_once('{') {
        check_literal(literal)?;
        expressions += 1;
        if expressions > MAX_EXPRESSIONS {
            return Err(format!("has more than {MAX_EXPRESSIONS} expressions"));
        }
        let Some((expression, after)) = after.split_once('}') else {
            return Err("has a `{` without its `}`".into());
        };
        let (name, value) = match expression.strip_prefix('+') {
            Some(name) => (name, ".+"),
            None => (expression, "[^/?#]+"),
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!(
                "has the expression `{{{}}}`; `{{name}}` and `{{+name}}` are understood",
                shown(expression)
            ));
        }
        pattern.push_str(&regex::escape(literal));
        pattern.push_str(value);
        rest = after;
    }
    check_literal(rest)?;
    if expressions == 0 {
        return Err("has no expression; announce it as a resource".into());
    }
    pattern.push_str(&regex::escape(rest));
    pattern.push('$');
    Regex::new(&pattern).map_err(|e| format!("cannot be matched: {e}"))
}

fn check_literal(literal: &str) -> Result<(), String> {
    match literal.contains('}') {
        true => Err("has a `}` without its `{`".into()),
        false => Ok(()),
    }
}
