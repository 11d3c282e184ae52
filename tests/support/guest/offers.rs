//! What guests offer beside tools: documents, prompts, and completions. As with tools, a body is that of a function which has
//! the request's fields as its parameters:
//!
//! | of | parameters | ends in |
//! |---|---|---|
//! | a document, a family | `$uri`, `$answers`, `$state` | `$document`, `$not_found`, `$failed`, [`Guest::parts`], [`Guest::questions`] |
//! | a prompt | `$arguments` (a list of pairs), `$answers`, `$state` | `$message`, `$invalid`, `$failed`, [`Guest::filled`], [`Guest::questions`] |
//! | the completions | `$kind`, `$subject`, `$argument`, `$value`, `$others` (a list of pairs) | `$invalid`, `$failed`, [`Guest::completion`] |

use std::fmt::Write;

use super::layout::Layout;
use super::{Audience, Block, Guest, Icon};

/// A document with a name of its own.
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

/// A family of documents.
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

/// What a prompt says of itself.
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

/// A filled prompt that is known before the call.
#[derive(Default)]
pub(crate) struct Filled<'a> {
    pub(crate) description: Option<&'a str>,
    /// The role (0 is the user, 1 the assistant), and what it says.
    pub(crate) messages: Vec<(u8, Block<'a>, Option<Audience<'a>>)>,
    pub(crate) meta: Option<&'a str>,
}

/// One part of a document.
pub(crate) enum Part<'a> {
    /// URI, media type, text.
    Text(&'a str, Option<&'a str>, &'a str),
    /// URI, media type, bytes.
    Binary(&'a str, Option<&'a str>, &'a [u8]),
}

/// What a guest offers beside tools, each thing with its body.
#[derive(Default)]
pub(super) struct Offers {
    documents: Vec<(Document, String)>,
    families: Vec<(Family, String)>,
    prompts: Vec<(Prompt, String)>,
    completions: Option<String>,
    /// The function of the contract, and what it runs first.
    before: Vec<(&'static str, String)>,
}

const RESOURCES: &str = "toolcrib:mcp/resources@0.1.1";
const PROMPTS: &str = "toolcrib:mcp/prompts@0.1.1";
const COMPLETIONS: &str = "toolcrib:mcp/completions@0.1.1";

/// The fields of a request that each interface has at its end.
const ROUND: &str = "(param $answers i32) (param $answers_len i32) \
                     (param $state i32) (param $state_ptr i32) (param $state_len i32)";
const GIVE_ROUND: &str = "(local.get $answers) (local.get $answers_len) \
                          (local.get $state) (local.get $state_ptr) (local.get $state_len)";

impl Guest {
    /// Adds a document whose reading runs `body`.
    pub(crate) fn document(&mut self, document: Document, body: impl Into<String>) -> &mut Self {
        self.offers.documents.push((document, body.into()));
        self
    }

    /// Adds a family of documents: reading one whose URI begins as the template does runs `body`.
    pub(crate) fn family(&mut self, family: Family, body: impl Into<String>) -> &mut Self {
        self.offers.families.push((family, body.into()));
        self
    }

    /// Adds a prompt whose filling in runs `body`.
    pub(crate) fn prompt(&mut self, prompt: Prompt, body: impl Into<String>) -> &mut Self {
        self.offers.prompts.push((prompt, body.into()));
        self
    }

    /// Completes arguments by running `body`.
    pub(crate) fn completing(&mut self, body: impl Into<String>) -> &mut Self {
        self.offers.completions = Some(body.into());
        self
    }

    /// Runs `body` before `prompts.definitions`, `resources` or `templates` answers.
    pub(crate) fn before(&mut self, function: &'static str, body: &str) -> &mut Self {
        self.offers.before.push((function, body.into()));
        self
    }

    /// Puts a document into memory: the expression that is a body returning it.
    pub(crate) fn parts(&mut self, parts: &[Part<'_>]) -> String {
        format!("(i32.const {})", self.memory.parts(parts))
    }

    /// Puts a filled prompt into memory: the expression that is a body returning it.
    pub(crate) fn filled(&mut self, filled: &Filled<'_>) -> String {
        format!("(i32.const {})", self.memory.filled(filled))
    }

    /// Puts completions into memory: the expression that is a body returning them.
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
    /// The interfaces that the guest exports.
    pub(super) fn interfaces(&self) -> Vec<&'static str> {
        let mut interfaces = Vec::new();
        if !self.documents.is_empty() || !self.families.is_empty() {
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

    /// The functions of these interfaces.
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
        let documents: Vec<_> = self
            .documents
            .iter()
            .map(|(document, _)| document)
            .collect();
        let documents = memory.documents(&documents);
        let families: Vec<_> = self.families.iter().map(|(family, _)| family).collect();
        let families = memory.families(&families);
        let mut choices = String::new();
        let exact = self.documents.iter();
        let exact = exact.map(|(document, body)| (document.uri.as_str(), body, "$uri_len".into()));
        let beginning = self.families.iter().map(|(family, body)| {
            let literal = family.uri_template.split('{').next().unwrap();
            (literal, body, literal.len().to_string())
        });
        for (index, (uri, body, length)) in exact.chain(beginning).enumerate() {
            let given: String = match length.strip_prefix('$') {
                Some(_) => format!("(local.get {length})"),
                None => format!("(i32.const {length})"),
            };
            let at = memory.bytes(uri.as_bytes());
            let _ = writeln!(
                functions,
                "(func $read_{index} (param $uri i32) (param $uri_len i32) {ROUND} (result i32) {body})"
            );
            let _ = writeln!(
                choices,
                "(if (i32.ge_u (local.get $uri_len) {given})
                   (then (if (call $same (local.get $uri) {given} (i32.const {at}) (i32.const {}))
                     (then (return (call $read_{index} (local.get $uri) (local.get $uri_len) {GIVE_ROUND}))))))",
                uri.len()
            );
        }
        let _ = writeln!(
            functions,
            r#"(func (export "{RESOURCES}#resources") (result i32) {} (i32.const {documents}))
               (func (export "{RESOURCES}#templates") (result i32) {} (i32.const {families}))
               (func (export "{RESOURCES}#read")
                 (param $uri i32) (param $uri_len i32) {ROUND} (result i32)
                 {choices}
                 (call $not_found))"#,
            self.first("resources"),
            self.first("templates"),
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
                "(func $prompt_{index} (param $arguments i32) (param $arguments_len i32) {ROUND} (result i32) {body})"
            );
            let _ = writeln!(
                choices,
                "(if (call $same (local.get $prompt) (local.get $prompt_len) (i32.const {at}) (i32.const {length}))
                   (then (return (call $prompt_{index} (local.get $arguments) (local.get $arguments_len) {GIVE_ROUND}))))"
            );
        }
        let _ = writeln!(
            functions,
            r#"(func (export "{PROMPTS}#definitions") (result i32) {} (i32.const {definitions}))
               (func (export "{PROMPTS}#get")
                 (param $prompt i32) (param $prompt_len i32)
                 (param $arguments i32) (param $arguments_len i32) {ROUND} (result i32)
                 {choices}
                 unreachable)"#,
            self.first("prompts.definitions"),
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

    fn first(&self, function: &str) -> String {
        let before = self.before.iter().filter(|(of, _)| *of == function);
        before.map(|(_, body)| body.as_str()).collect()
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
    /// A prompt without arguments.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// With these arguments; `!` at the end of a name makes it a required one.
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
