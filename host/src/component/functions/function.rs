//! A function that is served as a tool: its types, and the tool's definition.

use std::sync::Arc;

use serde_json::{Value, json};
use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{Component, ComponentExportIndex};

use super::declarations::Declarations;
use super::json_schema::{object_schema, type_schema};
use super::names::FunctionPath;
use super::resources::Resources;
use super::signature::format_signature;
use super::type_reader::TypeReader;
use super::types::{Field, TypeKind, WitType};
use crate::component::definitions::{MAX_DESCRIPTION_BYTES, TaskMode, Tool, display_name};
use crate::component::schema::{PatternSpace, Root, Schema};
use crate::text::truncate;

/// Maximum size of the schemas of all functions of a component, in bytes of JSON.
const MAX_SCHEMAS_BYTES: usize = 4 << 20;

/// A function that is served as a tool.
pub(crate) struct Function {
    pub(super) path: FunctionPath,
    pub(super) export: ComponentExportIndex,
    pub(super) parameters: Vec<Field>,
    pub(super) returns: Option<WitType>,
    /// See [`WitType::max_bytes_per_fuel`].
    pub(super) max_bytes_per_fuel: usize,
    /// Whether its arguments have resources, which are made before it is called.
    pub(super) has_resources: bool,
    /// Whether its result has streams or futures, which are read after it has returned.
    pub(super) has_transfers: bool,
    /// Whether it is an `async func`.
    pub(super) is_async: bool,
    /// The methods that one call may call several times, by their names; empty for a function that is an export.
    pub(super) methods: Vec<(String, Arc<Function>)>,
}

/// The space that is left for the schemas of a component's functions.
pub(super) struct SchemaSpace {
    bytes_left: usize,
    patterns: PatternSpace,
}

impl SchemaSpace {
    pub(super) fn new() -> Self {
        Self {
            bytes_left: MAX_SCHEMAS_BYTES,
            patterns: PatternSpace::new(),
        }
    }

    fn compile(&mut self, name: &str, schema: &Value, root: Root) -> Result<Schema, String> {
        let text = schema.to_string();
        let left = self.bytes_left.checked_sub(text.len()).ok_or_else(|| {
            format!("the schemas of the component take more than {MAX_SCHEMAS_BYTES} bytes")
        })?;
        let schema = Schema::new(&text, root, &mut self.patterns)
            .map_err(|e| format!("its {name} schema {e}"))?;
        self.bytes_left = left;
        Ok(schema)
    }
}

impl Function {
    /// Reads the types of an exported function.
    ///
    /// # Errors
    /// The reason why it cannot be a tool.
    pub(super) fn new(
        component: &Component,
        path: FunctionPath,
        ty: &ComponentFunc,
        declarations: Option<&Declarations>,
        resources: &Resources,
    ) -> Result<Self, String> {
        let export = path
            .export(component)
            .ok_or("the engine does not find it")?;
        let mut reader = TypeReader::new(declarations, resources);
        let parameters = reader.parameters(&path, ty)?;
        let returns = reader.returns(&path, ty)?;
        let made = parameters.iter().map(|field| &field.ty);
        let types = made.filter(|ty| ty.has_resources()).chain(&returns);
        Ok(Self {
            path,
            export,
            max_bytes_per_fuel: types.map(WitType::max_bytes_per_fuel).max().unwrap_or(1),
            has_resources: parameters.iter().any(|field| field.ty.has_resources()),
            has_transfers: reader.has_transfers,
            is_async: ty.async_(),
            parameters,
            returns,
            methods: Vec::new(),
        })
    }

    /// Returns the definition of its tool, with an empty name.
    ///
    /// # Errors
    /// The reason why it cannot be a tool.
    pub(super) fn tool(
        &self,
        declarations: Option<&Declarations>,
        space: &mut SchemaSpace,
    ) -> Result<Tool, String> {
        let input_schema =
            space.compile("input", &object_schema(&self.parameters), Root::Object)?;
        let output_schema = match self.methods.is_empty() {
            true => self.success_type().map(|ty| match self.returns_record() {
                true => type_schema(ty),
                false => wrapped_schema("result", type_schema(ty)),
            }),
            false => Some(wrapped_schema(
                "results",
                json!({
                    "description": "The result of each step; null for a method without one",
                    "type": "array",
                }),
            )),
        };
        let output_schema = output_schema.map(|schema| space.compile("output", &schema, Root::Any));
        Ok(Tool {
            name: String::new(),
            title: None,
            description: self.description(declarations),
            input_schema,
            output_schema: output_schema.transpose()?,
            annotations: None,
            icons: Vec::new(),
            meta: None,
            task: TaskMode::default(),
            cpu_profile: Arc::default(),
        })
    }

    fn description(&self, declarations: Option<&Declarations>) -> String {
        if let Some(docs) = declarations.and_then(|d| d.function_docs(&self.path)) {
            return truncate(docs, MAX_DESCRIPTION_BYTES).to_owned();
        }
        let of_interface = self.path.interface.as_ref();
        let of_interface = of_interface
            .map(|id| format!(" of the interface `{}`", display_name(id)))
            .unwrap_or_default();
        if let [resource, _] = &self.parameters[..]
            && !self.methods.is_empty()
        {
            let resource = display_name(&resource.name);
            return format!(
                "Makes a `{resource}`{of_interface} and calls its methods in `steps`, one after the other"
            );
        }
        let name = self.path.base();
        let (kind, of) = match self.path.method() {
            Some((resource, _)) => ("method", format!(" of a new `{}`", display_name(resource))),
            None => ("function", String::new()),
        };
        let returns = self.returns.as_ref();
        let signature = format_signature(name, self.is_async, &self.parameters, returns);
        let name = self.path.method().map_or(name, |(_, method)| method);
        format!(
            "Calls the {kind} `{}`{of}{of_interface}. In WIT: `{signature}`",
            display_name(name),
        )
    }

    /// Returns the type of its result if it does not fail.
    pub(super) fn success_type(&self) -> Option<&WitType> {
        match self.returns.as_ref() {
            Some(WitType {
                kind: TypeKind::Result(ok, _),
                ..
            }) => ok.as_deref(),
            other => other,
        }
    }

    /// Returns whether its result is a record, which needs no wrapping to be structured content.
    pub(super) fn returns_record(&self) -> bool {
        self.success_type()
            .is_some_and(|ty| matches!(ty.kind, TypeKind::Record(_)))
    }
}

/// Returns the schema of results that are wrapped in an object.
fn wrapped_schema(key: &str, schema: Value) -> Value {
    json!({
        "type": "object",
        "properties": { key: schema },
        "required": [key],
        "additionalProperties": false,
    })
}
