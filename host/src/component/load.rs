//! Loads a component: compiles and links it, opens its grants, and asks it for its definitions.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::component_bytes::ComponentBytes;
use super::composition::Part;
use super::contract::{Guest, Prompt, Resource};
use super::definitions::{self, DefinitionError, ResourceTemplate, Tool, display_name};
use super::describe::{Describer, GuestDefinitions};
use super::exported::{Callee, Exported, SkippedExport, ToolSet};
use super::imports::{self, IsOffered, MissingImports};
use super::load_error::LoadError;
use super::schema::{Schema, Strings};
use super::spare_instances::SpareInstances;
use super::{binary_format, command, engine_error, functions, preview3};
use crate::engine::{self, CompileError, CompileLimits, Compiled, Engine};
use crate::sandbox::{
    self, CpuProfile, EgressCounts, Grants, ImportReport, Limits, OpenGrants, keyvalue,
};

/// Size of a page of linear memory.
const WASM_PAGE_BYTES: u64 = 64 << 10;

/// The operator's settings for loading a component.
#[derive(Debug, Clone, Default)]
pub struct LoadSettings {
    /// The digest that the bytes must have, in the form of [`digest`](super::digest).
    pub pinned: Option<String>,
    /// The limits of each call.
    pub limits: Limits,
    /// The access of each call.
    pub grants: Grants,
    /// The treatment of imports that the host lacks.
    pub missing_imports: MissingImports,
    /// WIT with documentation of its functions and types, which its own documentation takes precedence over. May be
    /// empty.
    pub wit: String,
}

/// A loaded component.
pub struct Component {
    /// The name in logs and errors.
    pub name: String,
    /// The digest of its bytes, in the form of [`digest`](super::digest). For a composition, that of the digests of its
    /// parts' files, one a line.
    pub digest: String,
    /// The components that it is composed of, itself first; empty if it is not composed.
    pub parts: Vec<Part>,
    /// A description of the trusted signer; `None` if it is not signed or signatures do not matter.
    pub signed_by: Option<String>,
    /// The size of its file.
    pub size_bytes: usize,
    /// The size of its largest linear memory when an instance starts; `None` without one.
    pub memory_bytes: Option<u64>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// Those of its imports that the host lacks and stubs stand in for.
    pub stubbed: Vec<String>,
    /// Its tools by their own names, in name order.
    pub tools: Vec<Tool>,
    /// Its prompts by their own names, in name order.
    pub prompts: Vec<Prompt>,
    /// Its resources, in URI order.
    pub resources: Vec<Resource>,
    /// Its resource templates, in the order of their URI templates.
    pub templates: Vec<ResourceTemplate>,
    /// Its exports that are not served.
    pub skipped: Vec<SkippedExport>,
    /// The limits of each call.
    pub limits: Limits,
    /// Whether a string argument is converted where a tool wants another type and the string holds its JSON.
    pub lenient_arguments: bool,
    /// The access granted to its calls.
    pub grants: Grants,
    pub(super) open_grants: Arc<OpenGrants>,
    pub(super) spare_instances: Arc<SpareInstances>,
    /// The CPU profile of prompts, resources and completions. Each tool has its own.
    pub(super) cpu_profile: Arc<CpuProfile>,
    pub(super) guest: Arc<Guest>,
    /// The exports behind tools, by tool name. The remaining tools are called through the contract.
    pub(super) callees: HashMap<String, Arc<dyn Callee>>,
    pub(super) engine: Engine,
    /// Kept, so that the same bytes are not compiled again for other settings.
    _compiled: Compiled,
}

impl Component {
    /// Loads a component from the bytes of its file.
    ///
    /// # Errors
    /// All errors of the first step that failed.
    pub async fn load(
        engine: &Engine,
        name: &str,
        bytes: ComponentBytes,
        settings: LoadSettings,
        store: &keyvalue::Store,
    ) -> Result<Self, Vec<LoadError>> {
        let LoadSettings {
            pinned,
            limits,
            grants,
            missing_imports,
            wit,
        } = settings;
        let digest = bytes.digest().to_owned();
        let bytes = bytes.bytes();
        binary_format::check(bytes).map_err(|e| vec![e.into()])?;
        if let Some(pinned) = pinned.filter(|pinned| *pinned != digest) {
            return Err(vec![LoadError::DigestMismatch {
                found: digest,
                pinned,
            }]);
        }
        let engine = preview3::engine_for(engine, bytes, &limits).await;
        let engine = &engine.map_err(|e| vec![e.into()])?;
        let is_offered: IsOffered = match engine.is_concurrent() {
            true => imports::is_offered_with_preview3,
            false => imports::is_offered,
        };
        let stubbed = find_missing(bytes, missing_imports, is_offered, &limits).await?;
        let size_bytes = bytes.len();
        let compiled = compile(engine, &digest, bytes.clone(), &limits, (name, wit)).await;
        let (compiled, exported) = match compiled {
            Ok(compiled) => compiled,
            Err(error) => return Err(vec![not_compiled(error, bytes.clone(), &limits).await]),
        };
        let import_names = import_names(engine, &compiled.component);
        let resources_required = compiled.component.resources_required();
        let memory_bytes = resources_required
            .and_then(|required| required.max_initial_memory_size)
            .map(|pages| pages.saturating_mul(WASM_PAGE_BYTES));
        let stubs = (!stubbed.is_empty()).then_some(is_offered);
        let guest = Guest::new(engine, &compiled.component, stubs)
            .map_err(|reason| vec![LoadError::Incompatible(reason)])?;
        let open_grants = OpenGrants::open(&grants, name, store)
            .map_err(|errors| errors.into_iter().map(LoadError::Grant).collect::<Vec<_>>())?;
        let guest = Arc::new(guest);
        let describer = Describer::new(engine, name, &limits);
        let described = describer.definitions(&guest, &digest).await;
        let (definitions, new) = described.map_err(|e| vec![LoadError::Describe(e)])?;
        let GuestDefinitions {
            tools,
            prompts,
            resources,
            templates,
        } = definitions;
        // Schemas take time to parse, which the threads that serve requests have not.
        let check = async move { definitions::check_tools(tools) };
        let check = engine.guest_runtime().spawn(check).await;
        let tools = check
            .map_err(|_| vec![LoadError::NotChecked])?
            .map_err(definition_errors)?;
        let merged = exported.merge(tools);
        let ToolSet {
            tools,
            callees,
            skipped,
        } = merged.map_err(|errors| {
            let errors = errors.into_iter().map(LoadError::NameConflict);
            errors.collect::<Vec<_>>()
        })?;
        let prompts = definitions::check_prompts(prompts).map_err(definition_errors)?;
        let resources = definitions::check_resources(resources).map_err(definition_errors)?;
        let templates = definitions::check_templates(templates).map_err(definition_errors)?;
        if let Some(new) = new {
            describer.keep(new).await;
        }
        let open_grants = Arc::new(open_grants);
        let spare_instances =
            SpareInstances::new(name, engine, guest.clone(), open_grants.clone(), &limits);
        let component = Self {
            name: name.to_owned(),
            digest,
            parts: Vec::new(),
            signed_by: None,
            size_bytes,
            memory_bytes,
            imports: import_names,
            stubbed,
            tools,
            prompts,
            resources,
            templates,
            skipped,
            limits,
            lenient_arguments: true,
            grants,
            open_grants,
            spare_instances,
            cpu_profile: Arc::default(),
            guest,
            callees,
            engine: engine.clone(),
            _compiled: compiled,
        };
        let offers_tools = !component.tools.is_empty() || component.has_prompts_or_resources();
        if !offers_tools && !component.guest.has_handler() {
            let has_definitions = component.guest.has_definitions();
            let error = LoadError::nothing_offered(has_definitions, &component.skipped);
            return Err(vec![error]);
        }
        if !component.stubbed.is_empty() {
            let imports = component.stubbed.iter().map(|name| display_name(name));
            tracing::warn!(
                component.name = name, imports = %imports.collect::<Vec<_>>().join(", "),
                "missing imports replaced by stubs"
            );
        }
        Ok(component)
    }

    /// Validates arguments against a schema of one of its tools, as [`Schema::validate`], with the component's treatment of
    /// strings.
    ///
    /// # Errors
    /// One sentence with the location as a JSON Pointer (RFC 6901).
    pub(crate) async fn validate(
        &self,
        schema: &Schema,
        value: &Arc<Value>,
    ) -> Result<Option<Value>, String> {
        let guest_runtime = self.engine.guest_runtime();
        schema.validate(value, self.strings(), guest_runtime).await
    }

    /// Returns the treatment of strings in arguments.
    pub(super) fn strings(&self) -> Strings {
        match self.lenient_arguments {
            true => Strings::Lenient,
            false => Strings::Exact,
        }
    }

    /// Returns the counts of its outgoing requests.
    pub fn egress_counts(&self) -> &EgressCounts {
        &self.open_grants.egress
    }

    /// Returns the digest of its own file, without its parts.
    pub fn file_digest(&self) -> &str {
        self.parts.first().map_or(&self.digest, |part| &part.digest)
    }

    /// Compares the access that its imports need with its grants.
    pub fn import_report(&self) -> Vec<ImportReport> {
        sandbox::import_report(&self.imports, &self.grants)
    }

    /// Returns whether it offers prompts, resources or resource templates.
    pub fn has_prompts_or_resources(&self) -> bool {
        !(self.prompts.is_empty() && self.resources.is_empty() && self.templates.is_empty())
    }

    /// Returns whether it completes the arguments of its prompts and resource templates.
    pub fn has_completions(&self) -> bool {
        self.guest.has_completions()
    }
}

/// Finds the imports that the host lacks.
///
/// # Errors
/// There are any, and they are not to be replaced.
async fn find_missing(
    bytes: &Bytes,
    treatment: MissingImports,
    is_offered: IsOffered,
    limits: &Limits,
) -> Result<Vec<String>, Vec<LoadError>> {
    let bytes = bytes.clone();
    let finding = engine::run_within(limits.compile, move || imports::missing(&bytes, is_offered));
    let missing = finding.await.map_err(|e| vec![e.into()])?;
    match treatment {
        MissingImports::Refuse if !missing.is_empty() => {
            Err(vec![LoadError::MissingImports(missing)])
        }
        _ => Ok(missing),
    }
}

/// Compiles a component and finds the tools among its exports, each within the time limit for compilation.
async fn compile(
    engine: &Engine,
    digest: &str,
    bytes: Bytes,
    limits: &Limits,
    (name, wit): (&str, String),
) -> Result<(Compiled, Exported), CompileError> {
    let cache_key = digest.trim_start_matches("sha256:");
    let compile_limits = CompileLimits {
        time: limits.compile,
        memory_bytes: limits.compile_memory_bytes,
    };
    let compiled = engine.compile(bytes.clone(), cache_key, compile_limits);
    let compiled = compiled.await?;
    let (engine, name) = (engine.clone(), name.to_owned());
    engine::run_within(limits.compile, move || {
        let (engine, component) = (engine.wasmtime(), &compiled.component);
        let mut exported = functions::discover(engine, component, &bytes, &wit);
        command::discover(&mut exported, engine, component, &name);
        (compiled, exported)
    })
    .await
}

/// Converts an error of the compiler. One about asynchronous functions names the first of them.
async fn not_compiled(error: CompileError, bytes: Bytes, limits: &Limits) -> LoadError {
    match error {
        CompileError::Invalid(summary) if engine_error::needs_async(&summary) => {
            let find = move || functions::find_asynchronous(&bytes);
            let item = engine::run_within(limits.compile, find).await;
            LoadError::needs_preview3(item.ok().flatten().as_deref())
        }
        error => error.into(),
    }
}

fn import_names(engine: &Engine, component: &wasmtime::component::Component) -> Vec<String> {
    component
        .component_type()
        .imports(engine.wasmtime())
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn definition_errors(errors: Vec<DefinitionError>) -> Vec<LoadError> {
    errors.into_iter().map(LoadError::Definition).collect()
}
