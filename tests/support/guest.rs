//! Test guests: components built from a few lines of WebAssembly text, so that a test shows everything that its guest
//! does.
//!
//! ```ignore
//! let mut guest = Guest::new();
//! let hello = guest.string("hello");
//! guest.tool(Tool::new("greet"), format!("(call $text {hello})"));
//! let bytes = guest.component();
//! ```
//!
//! The body of a tool is a WebAssembly function body. Its parameters are the fields of the request: `$arguments`,
//! `$arguments_len`, `$answers`, `$answers_len`, `$state`, `$state_ptr` and `$state_len`. It returns a pointer to a
//! `result<outcome, error>` of the contract; functions in `guest/prelude.wat` construct one. `guest/offers.rs` adds
//! resources, prompts and completions.

pub(crate) mod adder;
pub(crate) mod http;
pub(crate) mod kv;
mod layout;
mod offers;
pub(crate) mod sockets;

use std::fmt::Write;
use std::path::Path;
use std::sync::LazyLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, PackageMetadata, Resolve};

use layout::Layout;
use offers::Offers;
pub(crate) use offers::{
    Argument, Prompt, PromptResult, Resource, ResourceContents, ResourceTemplate,
};

/// Directory of the contract's WIT.
pub(crate) const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
/// Version of the contract that guests are built for.
pub(crate) const VERSION: &str = "0.1.1";
/// The part of WASI 0.2 that test guests use.
const WASI: &str = include_str!("guest/wasi.wit");
const PRELUDE: &str = include_str!("guest/prelude.wat");

/// Imports of every guest's world. A component imports only those that its module uses.
const WORLD: &str = "
    import toolcrib:mcp/call@0.1.1;
    import wasi:cli/environment@0.2.0;
    import wasi:cli/exit@0.2.0;
    import wasi:cli/stdout@0.2.0;
    import wasi:clocks/monotonic-clock@0.2.0;
    import wasi:config/store@0.2.0-rc.1;
    import wasi:filesystem/preopens@0.2.0;
    import wasi:http/outgoing-handler@0.2.0;
    import wasi:keyvalue/store@0.2.0-draft;
    import wasi:keyvalue/atomics@0.2.0-draft;
    import wasi:keyvalue/batch@0.2.0-draft;
    import wasi:sockets/instance-network@0.2.0;
    import wasi:sockets/ip-name-lookup@0.2.0;
    import wasi:sockets/tcp-create-socket@0.2.0;
";
const TOOL: &str = "toolcrib:mcp/tool@0.1.1";

/// The fields of a call request after the tool name, flattened into core parameters.
const REQUEST: &str = "(param $arguments i32) (param $arguments_len i32) (param $answers i32) (param $answers_len i32) \
                       (param $state i32) (param $state_ptr i32) (param $state_len i32)";

/// A builder of guest components.
#[derive(Default)]
pub(crate) struct Guest {
    memory: Layout,
    tools: Vec<(Tool, String)>,
    offers: Offers,
    exports: String,
    imports: String,
    items: String,
    before_definitions: String,
    pages: usize,
}

/// The definition of a tool.
#[derive(Clone)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: String,
    pub(crate) input_schema: String,
    pub(crate) output_schema: Option<String>,
    /// Read-only, destructive, idempotent, open-world.
    pub(crate) annotations: Option<[Option<bool>; 4]>,
    pub(crate) icons: Vec<Icon>,
    pub(crate) meta: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Icon {
    pub(crate) src: String,
    pub(crate) media_type: Option<String>,
    pub(crate) sizes: Vec<String>,
}

/// A constant tool result.
#[derive(Default)]
pub(crate) struct Reply<'a> {
    pub(crate) content: Vec<(Block<'a>, Option<Audience<'a>>)>,
    pub(crate) structured: Option<&'a str>,
    pub(crate) meta: Option<&'a str>,
}

pub(crate) enum Block<'a> {
    Text(&'a str),
    Image(&'a [u8], &'a str),
    Audio(&'a [u8], &'a str),
    Link(Link<'a>),
    /// URI, media type, text.
    EmbeddedText(&'a str, Option<&'a str>, &'a str),
    /// URI, media type, bytes.
    EmbeddedBinary(&'a str, Option<&'a str>, &'a [u8]),
}

#[derive(Default)]
pub(crate) struct Link<'a> {
    pub(crate) uri: &'a str,
    pub(crate) name: &'a str,
    pub(crate) title: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    pub(crate) media_type: Option<&'a str>,
    pub(crate) size: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Audience<'a> {
    /// 0 is the user, 1 the assistant.
    pub(crate) roles: &'a [u8],
    pub(crate) priority: Option<f32>,
    pub(crate) last_modified: Option<&'a str>,
}

impl Guest {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Creates a guest with one tool.
    pub(crate) fn with(tool: Tool, body: impl Into<String>) -> Self {
        let mut guest = Self::new();
        guest.tool(tool, body);
        guest
    }

    /// Creates a guest with one tool that returns `text`.
    pub(crate) fn saying(name: &str, text: &str) -> Self {
        let mut guest = Self::new();
        let text = guest.string(text);
        guest.tool(Tool::new(name), format!("(call $text {text})"));
        guest
    }

    /// Adds a tool whose call runs `body`.
    pub(crate) fn tool(&mut self, tool: Tool, body: impl Into<String>) -> &mut Self {
        self.tools.push((tool, body.into()));
        self
    }

    /// Adds an import, such as `(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))`.
    pub(crate) fn import(&mut self, import: &str) -> &mut Self {
        self.imports.push_str(import);
        self
    }

    /// Adds an export to the world, such as `export run: func();`. [`Guest::item`] adds its function.
    pub(crate) fn export(&mut self, export: &str) -> &mut Self {
        self.exports.push_str(export);
        self
    }

    /// Adds fields to the module: globals, functions, a start function.
    pub(crate) fn item(&mut self, item: impl AsRef<str>) -> &mut Self {
        self.items.push_str(item.as_ref());
        self
    }

    /// Runs `body` at the start of the tool interface's `definitions`.
    pub(crate) fn before_definitions(&mut self, body: &str) -> &mut Self {
        self.before_definitions.push_str(body);
        self
    }

    /// Sets the minimum size of the initial memory, in pages.
    pub(crate) fn pages(&mut self, pages: usize) -> &mut Self {
        self.pages = pages;
        self
    }

    /// Stores a string in memory and returns its two operands, pointer and length.
    pub(crate) fn string(&mut self, text: impl AsRef<[u8]>) -> String {
        let text = text.as_ref();
        let at = self.memory.bytes(text);
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// Stores a result in memory and returns the body that returns it.
    pub(crate) fn reply(&mut self, reply: &Reply<'_>) -> String {
        format!("(i32.const {})", self.memory.reply(reply))
    }

    /// Stores an input-required outcome in memory and returns the body that returns it. Each question has a key, a
    /// method and parameters.
    pub(crate) fn questions(&mut self, questions: &[[&str; 3]]) -> String {
        format!("(i32.const {})", self.memory.questions(questions, None))
    }

    /// Like [`Guest::questions`], with a request state.
    pub(crate) fn questions_with(&mut self, questions: &[[&str; 3]], state: &str) -> String {
        format!(
            "(i32.const {})",
            self.memory.questions(questions, Some(state))
        )
    }

    /// Builds the component.
    pub(crate) fn component(&self) -> Vec<u8> {
        component(&self.world(), &self.module())
    }

    /// Builds the component for another version of the contract, whose WIT is in `contract`.
    pub(crate) fn component_for(&self, contract: &Path, version: &str) -> Vec<u8> {
        let with_version =
            |text: &str| text.replace(&format!("@{VERSION}"), &format!("@{version}"));
        let world = with_version(&format!("world guest {{ {} }}", self.world()));
        build(packages(contract), &world, &with_version(&self.module())).0
    }

    /// Returns the WIT between the braces of the world.
    fn world(&self) -> String {
        let interfaces = self.interfaces().into_iter();
        let interfaces = interfaces.map(|interface| format!("export {interface};"));
        format!(
            "{WORLD} {} {}",
            interfaces.collect::<String>(),
            self.exports
        )
    }

    /// Returns the contract's interfaces that the guest exports. A guest without anything exports the tool interface.
    fn interfaces(&self) -> Vec<&'static str> {
        let mut interfaces = self.offers.interfaces();
        if interfaces.is_empty() || !self.tools.is_empty() {
            interfaces.push(TOOL);
        }
        interfaces
    }

    /// Returns the core module as text.
    fn module(&self) -> String {
        let mut memory = self.memory.clone();
        let mut functions = self.offers.functions(&mut memory);
        if self.interfaces().contains(&TOOL) {
            functions.push_str(&self.tool_functions(&mut memory));
        }
        format!(
            r#"(module
              {imports}
              (import "toolcrib:mcp/call@0.1.1" "caller" (func $caller (param i32)))
              (import "toolcrib:mcp/call@0.1.1" "time-left" (func $time_left (result i64)))
              (import "toolcrib:mcp/call@0.1.1" "cancelled" (func $cancelled (result i32)))
              (import "toolcrib:mcp/call@0.1.1" "progress"
                (func $progress (param f64 i32 f64 i32 i32 i32)))
              (import "toolcrib:mcp/call@0.1.1" "log" (func $log (param i32 i32 i32)))
              (memory $memory (export "memory") {pages})
              (global $heap (mut i32) (i32.const {heap}))
              (data (i32.const {start}) "{data}")
              {PRELUDE}
              {items}
              {functions})"#,
            imports = self.imports,
            items = self.items,
            start = layout::START,
            heap = memory.end(),
            pages = self.pages.max(memory.end().div_ceil(65_536) + 1),
            data = memory.escaped(),
        )
    }

    /// Returns the functions of the tool interface.
    fn tool_functions(&self, memory: &mut Layout) -> String {
        let tools: Vec<_> = self.tools.iter().map(|(tool, _)| tool).collect();
        let definitions = memory.definitions(&tools);
        let mut functions = String::new();
        let mut choices = String::new();
        for (index, (tool, body)) in self.tools.iter().enumerate() {
            let (at, length) = (memory.bytes(tool.name.as_bytes()), tool.name.len());
            let _ = writeln!(
                functions,
                "(func $tool_{index} {REQUEST} (result i32) {body})"
            );
            let _ = writeln!(
                choices,
                "(if (call $same (local.get $tool) (local.get $tool_len) (i32.const {at}) (i32.const {length}))
                   (then (return (call $tool_{index} (local.get $arguments) (local.get $arguments_len)
                     (local.get $answers) (local.get $answers_len)
                     (local.get $state) (local.get $state_ptr) (local.get $state_len)))))"
            );
        }
        let before_definitions = &self.before_definitions;
        let _ = writeln!(
            functions,
            r#"(func (export "{TOOL}#definitions") (result i32)
                 {before_definitions}
                 (i32.const {definitions}))
               (func (export "{TOOL}#call")
                 (param $tool i32) (param $tool_len i32) {REQUEST} (result i32)
                 {choices}
                 unreachable)"#
        );
        functions
    }
}

impl Tool {
    /// Creates a tool that accepts any object.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: "A tool of the tests.".into(),
            input_schema: r#"{"type":"object"}"#.into(),
            output_schema: None,
            annotations: None,
            icons: Vec::new(),
            meta: None,
        }
    }

    pub(crate) fn with_description(self, description: &str) -> Self {
        Self {
            description: description.into(),
            ..self
        }
    }

    pub(crate) fn taking(self, input_schema: impl ToString) -> Self {
        Self {
            input_schema: input_schema.to_string(),
            ..self
        }
    }

    pub(crate) fn with_output_schema(self, output_schema: impl ToString) -> Self {
        Self {
            output_schema: Some(output_schema.to_string()),
            ..self
        }
    }
}

/// Builds a component from the WIT between the braces of its world and its core module as text.
pub(crate) fn component(world: &str, module: &str) -> Vec<u8> {
    build(
        current_packages(),
        &format!("world guest {{ {world} }}"),
        module,
    )
    .0
}

/// Like [`component_from_wit`], with the documentation of the WIT in a `package-docs` section.
pub(crate) fn component_from_documented_wit(wit: &str, module: &str) -> Vec<u8> {
    let (mut component, resolve, package) = build(current_packages(), wit, module);
    let docs = PackageMetadata::extract(&resolve, package)
        .encode()
        .unwrap();
    component.extend(custom_section(PackageMetadata::SECTION_NAME, &docs));
    component
}

/// Builds a component from a WIT package with nested packages, whose world is `guest`, and a core module as text.
pub(crate) fn component_from_wit(wit: &str, module: &str) -> Vec<u8> {
    build(current_packages(), wit, module).0
}

/// Encodes a custom section to append to a component.
pub(crate) fn custom_section(name: &str, data: &[u8]) -> Vec<u8> {
    fn leb128(mut value: usize, bytes: &mut Vec<u8>) {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }
    let mut content = Vec::new();
    leb128(name.len(), &mut content);
    content.extend(name.as_bytes());
    content.extend(data);
    let mut section = vec![0];
    leb128(content.len(), &mut section);
    section.extend(content);
    section
}

/// Returns the current contract and the WASI packages of test guests.
fn current_packages() -> Resolve {
    static PACKAGES: LazyLock<Resolve> = LazyLock::new(|| packages(Path::new(CONTRACT)));
    PACKAGES.clone()
}

/// Parses a version of the contract and the WASI packages of test guests.
fn packages(contract: &Path) -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_dir(contract).unwrap();
    resolve.push_str("wasi.wit", WASI).unwrap();
    resolve
}

fn build(mut resolve: Resolve, wit: &str, module: &str) -> (Vec<u8>, Resolve, PackageId) {
    let package = resolve
        .push_str("guest.wit", &format!("package test:guest;\n{wit}"))
        .unwrap_or_else(|error| panic!("{error:?}\n{wit:.2000}"));
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    let mut module = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}\n{module}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap()
        .encode()
        .unwrap();
    (component, resolve, package)
}
