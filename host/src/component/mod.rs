//! A compiled component: loaded once, described by its own `definitions` or by
//! the types of its functions, and called in a fresh instance each time.

mod binary_format;
mod call;
mod call_error;
mod contract;
mod definition;
mod describe;
mod function;
mod outcome;
mod prompts_resources;
mod schema;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

pub use call::{Call, GuestContext};
pub use call_error::{CallError, TargetKind};
use contract::Guest;
pub use contract::{
    Annotations, Answer, Audience, Block, Body, ClientFeatures, Completion, CompletionRequest,
    CompletionSubject, Content, Embedded, Event, Filled, Icon, Level, Link, Output, Principal,
    Prompt, PromptArgument, PromptMessage, Question, Questions, Resource, Role, Template,
};
pub use definition::{MAX_DESCRIPTION_BYTES, MAX_TITLE_BYTES, TaskMode, Tool, is_tool_name};
use describe::{Describe, faultless, nothing, uncompiled, unlinked};
pub use function::SkippedExport;
use function::{Function, Functions};
pub use outcome::Outcome;
pub use prompts_resources::ResourceTemplate;
pub use schema::Schema;

pub use crate::sandbox::ImportReport;

use crate::engine::{self, Engine};
use crate::sandbox::{self, CpuProfile, GrantError, Grants, Limits, OpenGrants, keyvalue};

/// `sha256:` and the lower-case hexadecimal digest of a component's bytes.
pub fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}

/// One component, ready to be called.
pub struct Component {
    /// What logs and errors call it.
    pub name: String,
    /// `sha256:` and the lower-case hexadecimal digest of its bytes.
    pub digest: String,
    /// Its size in bytes.
    pub size: usize,
    /// The interfaces it imports: what it could ask for.
    pub imports: Vec<String>,
    /// Its tools by their own names, in name order.
    pub tools: Vec<Tool>,
    /// Its prompts by their own names, in name order.
    pub prompts: Vec<Prompt>,
    /// Its documents, in URI order.
    pub resources: Vec<Resource>,
    /// Its families of documents, in the order of their templates.
    pub templates: Vec<ResourceTemplate>,
    /// What it exports besides, and why that is nothing to be served.
    pub skipped: Vec<SkippedExport>,
    /// What one call may use.
    pub limits: Limits,
    /// What its calls may reach.
    pub grants: Grants,
    granted: Arc<OpenGrants>,
    /// Of its calls that are not of tools.
    cpu_profile: Arc<CpuProfile>,
    guest: Arc<Guest>,
    /// By the names of their tools; the other tools are of the contract.
    functions: HashMap<String, Arc<Function>>,
    engine: Engine,
}

/// Why a component cannot be served. Each is one sentence without the
/// component's name, which whoever reports it puts before.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are something else than a component.
    #[error("{0}")]
    Kind(#[from] binary_format::NotAComponent),
    /// Its bytes are not those that were pinned.
    #[error("its digest is {found}, not the pinned {pinned}; review the file, then pin what it is")]
    Digest {
        /// What the bytes have.
        found: String,
        /// What the configuration says.
        pinned: String,
    },
    /// The engine does not compile it.
    #[error("it is not a valid component: {0}")]
    Invalid(String),
    /// The compiler did not come to an end.
    #[error(transparent)]
    NotCompiled(#[from] engine::CompileError),
    /// It does not fit the contract.
    #[error("{0}")]
    World(String),
    /// What it is granted cannot be kept as it is written.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// What describes it did not answer.
    #[error("its `{0}` failed: {1}")]
    Definitions(&'static str, String),
    /// One of its definitions breaks a rule.
    #[error("{0}")]
    Definition(#[from] definition::DefinitionError),
    /// A definition and a function have one name.
    #[error(
        "its `definitions` name a tool `{tool}`, and its function `{function}` is a tool of that \
         name too; rename one of them"
    )]
    Clash {
        /// The name.
        tool: String,
        /// Where the function stands.
        function: String,
    },
    /// It offers nothing.
    #[error("{0}")]
    Nothing(String),
}

impl Component {
    /// Compiles a component and asks it for its tools, which it answers without
    /// any grant.
    ///
    /// # Errors
    /// Every fault that can be found, not only the first.
    pub async fn load(
        engine: &Engine,
        name: &str,
        bytes: Vec<u8>,
        pinned: Option<&str>,
        limits: Limits,
        (grants, store): (Grants, &keyvalue::Store),
    ) -> Result<Self, Vec<LoadError>> {
        binary_format::check(&bytes).map_err(|e| vec![e.into()])?;
        let digest = digest(&bytes);
        let hex = digest.trim_start_matches("sha256:").to_owned();
        if let Some(pinned) = pinned.filter(|pinned| *pinned != digest) {
            return Err(vec![LoadError::Digest {
                found: digest,
                pinned: pinned.to_owned(),
            }]);
        }
        let size = bytes.len();
        let compiler = engine.clone();
        let compiled = engine::compile_within(limits.compile, move || {
            let compiled = compiler.compile(&bytes, &hex)?;
            let functions = Functions::find(compiler.wasmtime(), &compiled, &bytes);
            Ok::<_, wasmtime::Error>((compiled, functions))
        });
        let (compiled, functions) = compiled
            .await
            .map_err(|e| vec![LoadError::NotCompiled(e)])?
            .map_err(|e| vec![uncompiled(&e)])?;
        let imports = contract::imports(engine, &compiled);
        let guest = Guest::new(engine, &compiled).map_err(|e| vec![unlinked(e, &imports)])?;
        let granted = OpenGrants::open(&grants, name, store)
            .map_err(|faults| faults.into_iter().map(LoadError::Grant).collect::<Vec<_>>())?;
        let guest = Arc::new(guest);
        let describe = Describe::new(engine, name, &limits);
        let tools = describe.run("definitions", |store| guest.clone().tools(store));
        let tools = faultless(definition::check_all(tools.await?))?;
        let (tools, functions, skipped) = functions.beside(tools)?;
        let prompts = describe.run("prompts.definitions", |store| guest.clone().prompts(store));
        let prompts = faultless(prompts_resources::check_prompts(prompts.await?))?;
        let resources = describe.run("resources", |store| guest.clone().resources(store));
        let resources = faultless(prompts_resources::check_resources(resources.await?))?;
        let templates = describe.run("templates", |store| guest.clone().templates(store));
        let templates = faultless(prompts_resources::check_templates(templates.await?))?;
        if tools.is_empty() && prompts.is_empty() && resources.is_empty() && templates.is_empty() {
            return Err(vec![nothing(guest.has_definitions(), &skipped)]);
        }
        for SkippedExport { export, reason } in &skipped {
            tracing::info!(
                component.name = name, export.name = %export, export.reason = %reason,
                "export skipped"
            );
        }
        Ok(Self {
            name: name.to_owned(),
            digest,
            size,
            imports,
            tools,
            prompts,
            resources,
            templates,
            skipped,
            limits,
            grants,
            granted: Arc::new(granted),
            cpu_profile: Arc::default(),
            guest,
            functions,
            engine: engine.clone(),
        })
    }

    /// Holds a value against a schema of one of its tools, as [`Schema::check`].
    ///
    /// # Errors
    /// One sentence with the place as a JSON Pointer (RFC 6901).
    pub(crate) async fn check(&self, schema: &Schema, value: Value) -> Result<Value, String> {
        schema.check(value, self.engine.guest_runtime()).await
    }

    /// What its imports ask for beside what it is granted.
    pub fn import_report(&self) -> Vec<ImportReport> {
        sandbox::import_report(&self.imports, &self.grants)
    }

    /// Whether it offers prompts or documents.
    pub fn has_prompts_or_resources(&self) -> bool {
        !(self.prompts.is_empty() && self.resources.is_empty() && self.templates.is_empty())
    }

    /// Whether it completes the arguments of its prompts and templates.
    pub fn completes(&self) -> bool {
        self.guest.completes()
    }
}

/// The causes of an engine error in one line, without a backtrace.
fn one_line(error: &wasmtime::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let first = text.lines().next().unwrap_or_default();
        // The engine's context line says only that a guest ran.
        if first.starts_with("error while executing") || first.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(first);
    }
    line
}
