//! Function components: every plain function that a component exports, at the
//! root of its world or in an interface, is a tool.
//!
//! Arguments and results are converted by type:
//!
//! | WIT | JSON |
//! |---|---|
//! | `bool`, `string` | boolean, string |
//! | `u8` … `s32` | integer; `1.0` is one |
//! | `u64`, `s64` | integer within ±(2^53−1), beyond it a string of its decimal digits |
//! | `f32`, `f64` | number, `"NaN"`, `"Infinity"` or `"-Infinity"` |
//! | `char` | string of one character |
//! | `list<T>`, `list<u8>` | array; string in base64 |
//! | `tuple<…>` | array of that length |
//! | `record` | object; a field of a type `option` may be absent |
//! | `enum`, `flags` | string; array of different strings |
//! | `variant` | the case's name as a string, or `{"case": payload}` |
//! | `option<T>` | `null` or T; where T can be `null` too, `null` or `{"some": T}` |
//! | `result<T, E>` | `{"ok": T}` or `{"error": E}`, `null` for nothing |
//!
//! The parameters are the members of the arguments. What a function returns is
//! the structured content when it is a record, and stands in `{"result": …}`
//! when it is anything else, for clients of older revisions know objects only.
//! A function that returns a `result` is a tool that can fail: the error is the
//! tool's, not part of the result.

mod arguments;
mod exports;
mod names;
mod result;
mod schema;
mod shape;
mod signature;
mod wit;

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::mem::size_of;
use std::sync::Arc;

use serde_json::{Value, json};
use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{Component, ComponentExportIndex, Val};
use wasmtime::{Engine, Store};

use super::LoadError;
use super::contract::{self, Block, CallData, Content, Guest, GuestError, Output};
use super::definition::{MAX_DESCRIPTION_BYTES, MAX_TOOLS, TaskMode, Tool, shown};
use super::outcome::Outcome;
use super::schema::{Root, Schema};
use crate::sandbox::StoreData;
use exports::Exports;
use names::Path;
use shape::{Field, Kind, Shape};
use wit::Wit;

/// The schemas of all functions of a component together, in bytes of JSON.
const MAX_SCHEMAS_BYTES: usize = 4 << 20;

/// Exports that are listed with the reason for which they are no tools.
const MAX_SKIPPED: usize = 1_000;

/// A function that is a tool.
pub(super) struct Function {
    path: Path,
    export: ComponentExportIndex,
    parameters: Vec<Field>,
    returns: Option<Shape>,
    /// What the engine takes for a value that it returns, in parts of what it counts.
    returned_bytes_per_fuel: usize,
}

/// An export that is no tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedExport {
    /// The interface, the interface and the function (`ns:pkg/iface#function`),
    /// or the function.
    pub export: String,
    /// Why, as a part of a sentence.
    pub reason: String,
}

/// Exports that are no tools; of very many, the first.
#[derive(Default)]
struct AllSkipped(Vec<SkippedExport>);

impl AllSkipped {
    fn add(&mut self, export: impl fmt::Display, reason: impl Into<String>) {
        match self.0.len().cmp(&MAX_SKIPPED) {
            Ordering::Less => self.0.push(SkippedExport {
                export: shown(&export.to_string()),
                reason: reason.into(),
            }),
            Ordering::Equal => self.0.push(SkippedExport {
                export: "…".into(),
                reason: format!("{MAX_SKIPPED} are listed, and there are more"),
            }),
            Ordering::Greater => {}
        }
    }
}

impl fmt::Display for SkippedExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.export, self.reason)
    }
}

/// What the plain functions of a component are.
pub(super) struct Functions {
    /// With their tools.
    served: Vec<(Arc<Function>, Tool)>,
    skipped: Vec<SkippedExport>,
}

/// Tools in name order, the functions among them, and what is no tool.
type Together = (
    Vec<Tool>,
    HashMap<String, Arc<Function>>,
    Vec<SkippedExport>,
);

impl Functions {
    /// Looks at everything that a component exports besides the contract.
    /// `bytes` are its own.
    pub(super) fn find(engine: &Engine, component: &Component, bytes: &[u8]) -> Self {
        let Exports {
            functions,
            mut skipped,
        } = Exports::of(engine, component);
        let mut served: Vec<(Function, Tool)> = Vec::new();
        // Most components with the contract have no other function.
        let wit = (!functions.is_empty()).then(|| Wit::read(bytes));
        let mut schemas_left = MAX_SCHEMAS_BYTES;
        for (path, ty) in functions {
            let tool = if served.len() == MAX_TOOLS {
                Err(format!("{MAX_TOOLS} functions before it are tools already"))
            } else {
                Function::new(component, path.clone(), &ty, wit.as_ref()).and_then(|function| {
                    Ok((function.tool(wit.as_ref(), &mut schemas_left)?, function))
                })
            };
            match tool {
                Ok((tool, function)) => served.push((function, tool)),
                Err(reason) => skipped.add(&path, reason),
            }
        }
        let paths: Vec<_> = served.iter().map(|(function, _)| &function.path).collect();
        let names = names::assign(&paths);
        let mut taken = HashSet::new();
        let mut named = Vec::new();
        for ((function, tool), name) in served.into_iter().zip(names) {
            // Names that were shortened can be made to meet.
            if taken.insert(name.clone()) {
                named.push((Arc::new(function), Tool { name, ..tool }));
            } else {
                let reason = format!("`{name}`, its name as a tool, is that of another one too");
                skipped.add(&function.path, reason);
            }
        }
        Self {
            served: named,
            skipped: skipped.0,
        }
    }

    /// Puts the tools of functions beside those of the contract.
    ///
    /// # Errors
    /// Every name that both have.
    pub(super) fn beside(self, mut tools: Vec<Tool>) -> Result<Together, Vec<LoadError>> {
        let clashes: Vec<_> = self
            .served
            .iter()
            .filter(|(_, of_function)| tools.iter().any(|tool| tool.name == of_function.name))
            .map(|(function, tool)| LoadError::Clash {
                tool: tool.name.clone(),
                function: function.path.to_string(),
            })
            .collect();
        if !clashes.is_empty() {
            return Err(clashes);
        }
        let mut functions = HashMap::new();
        for (function, tool) in self.served {
            functions.insert(tool.name.clone(), function);
            tools.push(tool);
        }
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((tools, functions, self.skipped))
    }
}

impl Function {
    fn new(
        component: &Component,
        path: Path,
        ty: &ComponentFunc,
        wit: Option<&Wit>,
    ) -> Result<Self, String> {
        let interface = match &path.interface {
            Some(interface) => component.get_export_index(None, &**interface),
            None => None,
        };
        let export = component.get_export_index(interface.as_ref(), &path.function);
        let export = export.ok_or("the engine does not find it")?;
        let mut reader = shape::Reader::new();
        let known = wit.and_then(|wit| Some((wit, wit.function(&path)?)));
        let parameters = ty.params().enumerate().map(|(index, (name, ty))| {
            let named = known.and_then(|(wit, f)| wit.named(f.params.get(index)?.ty));
            Ok(Field {
                name: reader.text(name)?,
                docs: None,
                shape: reader.read(&ty, named)?,
            })
        });
        let parameters = parameters.collect::<Result<_, String>>()?;
        let returns = ty.results().next().map(|ty| {
            let named = known.and_then(|(wit, f)| wit.named(f.result?));
            reader.read(&ty, named)
        });
        let returns = returns.transpose()?;
        Ok(Self {
            path,
            export,
            parameters,
            returned_bytes_per_fuel: returns.as_ref().map_or(1, Shape::bytes_per_fuel),
            returns,
        })
    }

    /// The tool that it is, still without a name.
    fn tool(&self, wit: Option<&Wit>, schemas_left: &mut usize) -> Result<Tool, String> {
        let mut compiled = |what: &str, schema: &Value, root| {
            let text = schema.to_string();
            let left = schemas_left.checked_sub(text.len()).ok_or_else(|| {
                format!("the schemas of the component take more than {MAX_SCHEMAS_BYTES} bytes")
            })?;
            let schema = Schema::new(&text, root).map_err(|e| format!("its {what} schema {e}"))?;
            *schemas_left = left;
            Ok::<_, String>(schema)
        };
        let input = compiled("input", &schema::object(&self.parameters), Root::Object)?;
        let output = self.success().map(|shape| {
            let schema = match &shape.kind {
                Kind::Record(_) => schema::of(shape),
                _ => wrapped(schema::of(shape)),
            };
            compiled("output", &schema, Root::Any)
        });
        Ok(Tool {
            name: String::new(),
            title: None,
            description: self.description(wit),
            input,
            output: output.transpose()?,
            annotations: None,
            icons: Vec::new(),
            meta: None,
            task: TaskMode::default(),
            cpu_profile: Arc::default(),
        })
    }

    fn description(&self, wit: Option<&Wit>) -> String {
        let Path {
            interface,
            function,
        } = &self.path;
        if let Some(docs) = wit.and_then(|wit| wit.function_docs(&self.path)) {
            return docs[..docs.floor_char_boundary(MAX_DESCRIPTION_BYTES)].to_owned();
        }
        let of = interface
            .as_ref()
            .map(|id| format!(" of the interface `{}`", shown(id)));
        format!(
            "Calls the function `{}`{}. In WIT: `{}`",
            shown(function),
            of.unwrap_or_default(),
            signature::of(function, &self.parameters, self.returns.as_ref()),
        )
    }

    /// What it returns when it does not fail.
    fn success(&self) -> Option<&Shape> {
        match self.returns.as_ref() {
            Some(Shape {
                kind: Kind::Result(ok, _),
                ..
            }) => ok.as_deref(),
            other => other,
        }
    }

    /// A call with these arguments.
    ///
    /// # Errors
    /// One sentence for the client.
    pub(super) fn prepare(self: &Arc<Self>, given: &Value) -> Result<Prepared, String> {
        Ok(Prepared {
            function: self.clone(),
            arguments: arguments::read(&self.parameters, given)?,
        })
    }

    /// The outcome of a call that returned `results`.
    fn outcome(&self, results: &[Val], max_bytes: usize) -> Result<Outcome, GuestError> {
        let json = |shape: &Shape, value: &Val| {
            result::json(shape, value, max_bytes).ok_or(GuestError::Oversized)
        };
        let value = match (&self.returns, results.first()) {
            (
                Some(Shape {
                    kind: Kind::Result(ok, error),
                    ..
                }),
                Some(Val::Result(result)),
            ) => match (result, ok, error) {
                (Ok(Some(value)), Some(shape), _) => Some(json(shape, value)?),
                (Ok(_), ..) => None,
                (Err(Some(value)), _, Some(shape)) => {
                    return Err(GuestError::Failed(text(&json(shape, value)?)));
                }
                (Err(_), ..) => {
                    let sentence = format!("`{}` failed without saying why", self.path.function);
                    return Err(GuestError::Failed(sentence));
                }
            },
            (Some(shape), Some(value)) => Some(json(shape, value)?),
            _ => None,
        };
        Ok(Outcome::Complete(self.output(value)))
    }

    fn output(&self, value: Option<Value>) -> Output {
        let mut output = Output {
            content: Vec::new(),
            structured: None,
            meta: None,
        };
        if let Some(value) = value {
            let is_record = self
                .success()
                .is_some_and(|shape| matches!(shape.kind, Kind::Record(_)));
            let text = text(&value);
            output.structured = Some(if is_record {
                text.clone()
            } else {
                json!({ "result": value }).to_string()
            });
            output.content.push(Content {
                block: Block::Text(text),
                audience: None,
            });
        }
        output
    }
}

/// A call whose arguments fit.
pub(super) struct Prepared {
    function: Arc<Function>,
    arguments: Vec<Val>,
}

impl Prepared {
    /// Runs it in an instance of its own.
    pub(super) async fn run(
        self,
        guest: Arc<Guest>,
        mut store: Store<StoreData<CallData>>,
        max_output_bytes: usize,
    ) -> Result<Outcome, GuestError> {
        let Self {
            function,
            arguments,
        } = self;
        // A value takes some 40 bytes here, and in the output, where all stands
        // twice, no less than 2.
        let unpacked = max_output_bytes.saturating_mul(size_of::<Val>() / 2);
        let unpacked = unpacked.max(store.hostcall_fuel());
        store.set_hostcall_fuel(unpacked / function.returned_bytes_per_fuel);
        let mut results = vec![Val::Bool(false); usize::from(function.returns.is_some())];
        let run = async {
            let instance = guest.pre.instantiate_async(&mut store).await?;
            let export = instance
                .get_func(&mut store, &function.export)
                .ok_or_else(|| wasmtime::Error::msg("the export is no function"))?;
            export
                .call_async(&mut store, &arguments, &mut results)
                .await
        };
        match run.await {
            Ok(()) => function.outcome(&results, max_output_bytes),
            Err(error) => Err(contract::trap(error, &store)),
        }
    }
}

/// The schema of a result that is no object.
fn wrapped(schema: Value) -> Value {
    json!({
        "type": "object",
        "properties": { "result": schema },
        "required": ["result"],
        "additionalProperties": false,
    })
}

/// What a reader gets: a string as it is, anything else as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
