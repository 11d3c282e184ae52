//! Resources, prompts and completions of test guests. As for tools, a body is a WebAssembly function body whose
//! parameters are the fields of the request:
//!
//! | body of | parameters | returned by |
//! |---|---|---|
//! | a resource, a resource template | `$uri`, `$answers`, `$state` | `$document`, `$not_found`, `$failed`, [`Guest::parts`], [`Guest::questions`] |
//! | a prompt | `$arguments` (a list of pairs), `$answers`, `$state` | `$message`, `$invalid`, `$failed`, [`Guest::filled`], [`Guest::questions`] |
//! | the completions | `$kind`, `$subject`, `$argument`, `$value`, `$others` (a list of pairs) | `$invalid`, `$failed`, [`Guest::completion`] |

use std::fmt::Write;

use super::layout::Layout;
use super::{Audience, Block, Guest, Icon};

/// The definition of a resource.
#[derive(Default)]
pub(crate) struct Document {
    pub(crate) uri: String,
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) icons: Vec<Icon>,
    pub(crate) audience: Option<Audience<'static>>,
    pub(crate) meta: Option<String>,
}

/// The definition of a resource template.
#[derive(Default)]
pub(crate) struct Family {
    pub(crate) uri_template: String,
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) icons: Vec<Icon>,
    pub(crate) audience: Option<Audience<'static>>,
    pub(crate) meta: Option<String>,
}

/// The definition of a prompt.
#[derive(Default)]
pub(crate) struct Prompt {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) icons: Vec<Icon>,
    pub(crate) meta: Option<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) required: bool,
}

/// A constant result of a prompt.
#[derive(Default)]
pub(crate) struct Filled<'a> {
    pub(crate) description: Option<&'a str>,
    /// Role (0 is the user, 1 the assistant), content and annotations of each message.
    pub(crate) messages: Vec<(u8, Block<'a>, Option<Audience<'a>>)>,
    pub(crate) meta: Option<&'a str>,
}

/// One item of a resource's contents.
pub(crate) enum Part<'a> {
    /// URI, media type, text.
    Text(&'a str, Option<&'a str>, &'a str),
    /// URI, media type, bytes.
    Binary(&'a str, Option<&'a str>, &'a [u8]),
}

/// The resources, resource templates, prompts and completions of a guest, with their bodies.
#[derive(Default)]
pub(super) struct Offers {
    resources: Vec<(Document, String)>,
    templates: Vec<(Family, String)>,
    prompts: Vec<(Prompt, String)>,
    completions: Option<String>,
    /// Code that a function of the contract runs first, by function name.
    preludes: Vec<(&'static str, String)>,
}

const RESOURCES: &str = "toolcrib:mcp/resources@0.1.1";
const PROMPTS: &str = "toolcrib:mcp/prompts@0.1.1";
const COMPLETIONS: &str = "toolcrib:mcp/completions@0.1.1";

/// The last fields of each request, as parameters.
const ROUND_PARAMETERS: &str = "(param $answers i32) (param $answers_len i32) \
                     (param $state i32) (param $state_ptr i32) (param $state_len i32)";
/// The same fields, as operands.
const ROUND_OPERANDS: &str = "(local.get $answers) (local.get $answers_len) \
                          (local.get $state) (local.get $state_ptr) (local.get $state_len)";

impl Guest {
    /// Adds a resource. Reading it runs `body`.
    pub(crate) fn document(&mut self, resource: Document, body: impl Into<String>) -> &mut Self {
        self.offers.resources.push((resource, body.into()));
        self
    }

    /// Adds a resource template. Reading a URI that starts with the template's literal prefix runs `body`.
    pub(crate) fn family(&mut self, template: Family, body: impl Into<String>) -> &mut Self {
        self.offers.templates.push((template, body.into()));
        self
    }

    /// Adds a prompt. Getting it runs `body`.
    pub(crate) fn prompt(&mut self, prompt: Prompt, body: impl Into<String>) -> &mut Self {
        self.offers.prompts.push((prompt, body.into()));
        self
    }

    /// Adds the completion function with this body.
    pub(crate) fn completing(&mut self, body: impl Into<String>) -> &mut Self {
        self.offers.completions = Some(body.into());
        self
    }

    /// Runs `body` at the start of `prompts.definitions`, `resources` or `templates`.
    pub(crate) fn before(&mut self, function: &'static str, body: &str) -> &mut Self {
        self.offers.preludes.push((function, body.into()));
        self
    }

    /// Stores a resource's contents in memory and returns the body that returns them.
    pub(crate) fn parts(&mut self, parts: &[Part<'_>]) -> String {
        format!("(i32.const {})", self.memory.parts(parts))
    }

    /// Stores a prompt result in memory and returns the body that returns it.
    pub(crate) fn filled(&mut self, filled: &Filled<'_>) -> String {
        format!("(i32.const {})", self.memory.filled(filled))
    }

    /// Stores completions in memory and returns the body that returns them.
    pub(crate) fn completion(
        &mut self,
        values: &[&str],
        total: Option<u32>,
        has_more: bool,
    ) -> String {
        let at = self.memory.completion(values, total, has_more);
        format!("(i32.const {at})")
    }
}

impl Offers {
    /// Returns the interfaces that the guest exports for these.
    pub(super) fn interfaces(&self) -> Vec<&'static str> {
        let mut interfaces = Vec::new();
        if !self.resources.is_empty() || !self.templates.is_empty() {
            interfaces.push(RESOURCES);
        }
        if !self.prompts.is_empty() {
            interfaces.push(PROMPTS);
        }
        if self.completions.is_some() {
            interfaces.push(COMPLETIONS);
        }
        interfaces
    }

    /// Returns the functions of these interfaces.
    pub(super) fn functions(&self, memory: &mut Layout) -> String {
        let mut functions = String::new();
        for interface in self.interfaces() {
            match interface {
                RESOURCES => self.resource_functions(memory, &mut functions),
                PROMPTS => self.prompt_functions(memory, &mut functions),
                _ => self.completion_function(&mut functions),
            }
        }
        functions
    }

    fn resource_functions(&self, memory: &mut Layout, functions: &mut String) {
        let resources: Vec<_> = self
            .resources
            .iter()
            .map(|(resource, _)| resource)
            .collect();
        let resources = memory.resources(&resources);
        let templates: Vec<_> = self
            .templates
            .iter()
            .map(|(template, _)| template)
            .collect();
        let templates = memory.templates(&templates);
        let mut choices = String::new();
        let by_uri = self.resources.iter();
        let by_uri =
            by_uri.map(|(resource, body)| (resource.uri.as_str(), body, "$uri_len".into()));
        let by_prefix = self.templates.iter().map(|(template, body)| {
            let literal = template.uri_template.split('{').next().unwrap();
            (literal, body, literal.len().to_string())
        });
        for (index, (uri, body, length)) in by_uri.chain(by_prefix).enumerate() {
            let compared_len: String = match length.strip_prefix('$') {
                Some(_) => format!("(local.get {length})"),
                None => format!("(i32.const {length})"),
            };
            let at = memory.bytes(uri.as_bytes());
            let _ = writeln!(
                functions,
                "(func $read_{index} (param $uri i32) (param $uri_len i32) {ROUND_PARAMETERS} (result i32) {body})"
            );
            let _ = writeln!(
                choices,
                "(if (i32.ge_u (local.get $uri_len) {compared_len})
                   (then (if (call $same (local.get $uri) {compared_len} (i32.const {at}) (i32.const {}))
                     (then (return (call $read_{index} (local.get $uri) (local.get $uri_len) {ROUND_OPERANDS}))))))",
                uri.len()
            );
        }
        let _ = writeln!(
            functions,
            r#"(func (export "{RESOURCES}#resources") (result i32) {} (i32.const {resources}))
               (func (export "{RESOURCES}#templates") (result i32) {} (i32.const {templates}))
               (func (export "{RESOURCES}#read")
                 (param $uri i32) (param $uri_len i32) {ROUND_PARAMETERS} (result i32)
                 {choices}
                 (call $not_found))"#,
            self.prelude_of("resources"),
            self.prelude_of("templates"),
        );
    }

    fn prompt_functions(&self, memory: &mut Layout, functions: &mut String) {
        let prompts: Vec<_> = self.prompts.iter().map(|(prompt, _)| prompt).collect();
        let definitions = memory.prompts(&prompts);
        let mut choices = String::new();
        for (index, (prompt, body)) in self.prompts.iter().enumerate() {
            let (at, length) = (memory.bytes(prompt.name.as_bytes()), prompt.name.len());
            let _ = writeln!(
                functions,
                "(func $prompt_{index} (param $arguments i32) (param $arguments_len i32) {ROUND_PARAMETERS} (result i32) {body})"
            );
            let _ = writeln!(
                choices,
                "(if (call $same (local.get $prompt) (local.get $prompt_len) (i32.const {at}) (i32.const {length}))
                   (then (return (call $prompt_{index} (local.get $arguments) (local.get $arguments_len) {ROUND_OPERANDS}))))"
            );
        }
        let _ = writeln!(
            functions,
            r#"(func (export "{PROMPTS}#definitions") (result i32) {} (i32.const {definitions}))
               (func (export "{PROMPTS}#get")
                 (param $prompt i32) (param $prompt_len i32)
                 (param $arguments i32) (param $arguments_len i32) {ROUND_PARAMETERS} (result i32)
                 {choices}
                 unreachable)"#,
            self.prelude_of("prompts.definitions"),
        );
    }

    fn completion_function(&self, functions: &mut String) {
        let body = self.completions.as_deref().unwrap_or_default();
        let _ = writeln!(
            functions,
            r#"(func (export "{COMPLETIONS}#complete")
                 (param $kind i32) (param $subject i32) (param $subject_len i32)
                 (param $argument i32) (param $argument_len i32)
                 (param $value i32) (param $value_len i32)
                 (param $others i32) (param $others_len i32) (result i32)
                 {body})"#
        );
    }

    fn prelude_of(&self, function: &str) -> String {
        let preludes = self.preludes.iter().filter(|(name, _)| *name == function);
        preludes.map(|(_, body)| body.as_str()).collect()
    }
}

impl Document {
    pub(crate) fn new(uri: &str) -> Self {
        Self {
            uri: uri.into(),
            name: "document".into(),
            ..Self::default()
        }
    }
}

impl Family {
    pub(crate) fn new(uri_template: &str) -> Self {
        Self {
            uri_template: uri_template.into(),
            name: "family".into(),
            ..Self::default()
        }
    }
}

impl Prompt {
    /// Creates a prompt without arguments.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Sets the arguments. A name that ends in `!` is required.
    pub(crate) fn taking(self, names: &[&str]) -> Self {
        let argument = |name: &&str| Argument {
            name: name.trim_end_matches('!').into(),
            required: name.ends_with('!'),
            ..Argument::default()
        };
        Self {
            arguments: names.iter().map(argument).collect(),
            ..self
        }
    }
}
