//! A function that is served as a tool: its types, and the tool's definition.

use std::sync::Arc;

use serde_json::{Value, json};
use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{Component, ComponentExportIndex};

use super::declarations::Declarations;
use super::json_schema::{object_schema, type_schema};
use super::names::FunctionPath;
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
    ) -> Result<Self, String> {
        let interface = match &path.interface {
            Some(interface) => component.get_export_index(None, &**interface),
            None => None,
        };
        let export = component
            .get_export_index(interface.as_ref(), &path.function)
            .ok_or("the engine does not find it")?;
        let mut reader = TypeReader::new();
        let declared = declarations.and_then(|d| Some((d, d.function(&path)?)));
        let parameters = ty.params().enumerate().map(|(index, (name, ty))| {
            let declared = declared.and_then(|(d, f)| d.declared_type(f.params.get(index)?.ty));
            Ok(Field {
                name: reader.text(name)?,
                docs: None,
                ty: reader.read(&ty, declared)?,
            })
        });
        let parameters = parameters.collect::<Result<_, String>>()?;
        let returns = ty.results().next().map(|ty| {
            let declared = declared.and_then(|(d, f)| d.declared_type(f.result?));
            reader.read(&ty, declared)
        });
        let returns = returns.transpose()?;
        Ok(Self {
            path,
            export,
            parameters,
            max_bytes_per_fuel: returns.as_ref().map_or(1, WitType::max_bytes_per_fuel),
            returns,
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
        let output_schema = self.success_type().map(|ty| {
            let schema = match self.returns_record() {
                true => type_schema(ty),
                false => wrapped_schema(type_schema(ty)),
            };
            space.compile("output", &schema, Root::Any)
        });
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
        let FunctionPath {
            interface,
            function,
        } = &self.path;
        let of_interface = interface
            .as_ref()
            .map(|id| format!(" of the interface `{}`", display_name(id)));
        format!(
            "Calls the function `{}`{}. In WIT: `{}`",
            display_name(function),
            of_interface.unwrap_or_default(),
            format_signature(function, &self.parameters, self.returns.as_ref()),
        )
    }

    /// Returns the type of its result if it does not fail.
    fn success_type(&self) -> Option<&WitType> {
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

/// Returns the schema of a result that is wrapped in an object.
fn wrapped_schema(schema: Value) -> Value {
    json!({
        "type": "object",
        "properties": { "result": schema },
        "required": ["result"],
        "additionalProperties": false,
    })
}
