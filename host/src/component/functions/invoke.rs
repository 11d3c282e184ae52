//! Invocation of a function: arguments decoded before the instance exists, the result encoded after it returned.

use std::sync::Arc;

use serde_json::{Value, json};
use wasmtime::component::Val;

use super::decode::decode;
use super::encode::encode;
use super::function::Function;
use super::guest_calls::GuestCalls;
use super::transfers;
use super::types::{TypeKind, WitType};
use crate::boxed_future::boxed_future;
use crate::component::contract::{self, Block, Content, Guest, GuestError, PreparedStore};
use crate::component::exported::{Callee, ExportedOutput, PreparedCall, Run};
use crate::component::schema::Strings;
use crate::component::tool_result::ToolResult;

/// Bytes that a step takes of the output limit at least: the host holds a value for each.
const MIN_STEP_BYTES: usize = 8;

/// A function with decoded arguments.
struct PreparedFunction {
    function: Arc<Function>,
    arguments: Vec<Val>,
}

/// Returns the output of a function without result.
fn empty() -> ExportedOutput {
    ExportedOutput {
        result: ToolResult::default(),
        size_bytes: 0,
    }
}

impl Callee for Function {
    fn prepare(
        self: Arc<Self>,
        arguments: &Value,
        strings: Strings,
    ) -> Result<Box<dyn PreparedCall>, String> {
        let arguments = decode(&self.parameters, arguments, strings)?;
        Ok(Box::new(PreparedFunction {
            function: self,
            arguments,
        }))
    }
}

impl Function {
    /// Returns what a call has returned; `None` if that is nothing.
    fn value(&self, results: &[Val], max_output_bytes: usize) -> Result<Option<Value>, GuestError> {
        let encode = |ty: &WitType, value: &Val| {
            encode(ty, value, max_output_bytes).ok_or(GuestError::OutputTooLarge)
        };
        let value = match (&self.returns, results.first()) {
            (
                Some(WitType {
                    kind: TypeKind::Result(ok, error),
                    ..
                }),
                Some(Val::Result(result)),
            ) => match (result, ok, error) {
                (Ok(Some(value)), Some(ty), _) => encode(ty, value)?,
                (Ok(_), ..) => return Ok(None),
                (Err(Some(value)), _, Some(ty)) => {
                    return Err(GuestError::Failed(to_text(&encode(ty, value)?)));
                }
                (Err(_), ..) => {
                    let sentence = format!("`{}` failed without saying why", self.path.base());
                    return Err(GuestError::Failed(sentence));
                }
            },
            (Some(ty), Some(value)) => encode(ty, value)?,
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    fn output(
        &self,
        results: &[Val],
        max_output_bytes: usize,
    ) -> Result<ExportedOutput, GuestError> {
        let Some(value) = self.value(results, max_output_bytes)? else {
            return Ok(empty());
        };
        let text = match &value {
            // A stream alone is what its bytes are.
            Value::Object(case) if self.success_type().is_some_and(transfers::is_stream) => {
                case.values().map(to_text).collect()
            }
            _ => to_text(&value),
        };
        let structured = match self.returns_record() {
            true => value,
            false => json!({ "result": value }),
        };
        Ok(new_output(text, structured))
    }

    /// Calls methods of the resource that is the first argument: the steps, which are the second one.
    async fn call_steps(
        &self,
        calls: &mut GuestCalls<'_>,
        arguments: Vec<Val>,
        max_output_bytes: usize,
    ) -> Result<ExportedOutput, GuestError> {
        let mut arguments = arguments.into_iter();
        let (Some(resource), Some(Val::List(steps))) = (arguments.next(), arguments.next()) else {
            return Ok(empty());
        };
        let mut bytes_left = max_output_bytes;
        let mut values = Vec::new();
        for (index, step) in steps.into_iter().enumerate() {
            let Val::Variant(name, payload) = step else {
                continue;
            };
            let method = self.methods.iter().find(|(method, _)| *method == name);
            let Some((_, method)) = method else {
                continue;
            };
            let mut arguments = vec![resource.clone()];
            if let Some(Val::Record(fields)) = payload.map(|payload| *payload) {
                arguments.extend(fields.into_iter().map(|(_, value)| value));
            }
            let has_result = method.returns.is_some();
            let mut results = calls.call(&method.export, has_result, &arguments).await?;
            if method.has_transfers {
                calls.complete(&method.returns, &mut results).await?;
            }
            let value = method
                .value(&results, bytes_left)
                .map_err(|error| match error {
                    GuestError::Failed(text) => {
                        GuestError::Failed(format!("step {} (`{name}`): {text}", index + 1))
                    }
                    error => error,
                })?;
            let value = value.unwrap_or_default();
            let bytes = to_text(&value).len().max(MIN_STEP_BYTES);
            let left = bytes_left.checked_sub(bytes);
            bytes_left = left.ok_or(GuestError::OutputTooLarge)?;
            values.push(value);
        }
        let values = Value::Array(values);
        let text = values.to_string();
        Ok(new_output(text, json!({ "results": values })))
    }
}

fn new_output(text: String, structured: Value) -> ExportedOutput {
    ExportedOutput {
        size_bytes: text.len(),
        result: ToolResult {
            structured: Some(structured),
            content: vec![Content {
                block: Block::Text(text),
                audience: None,
            }],
            ..ToolResult::default()
        },
    }
}

impl PreparedCall for PreparedFunction {
    fn run(
        self: Box<Self>,
        guest: Arc<Guest>,
        mut store: PreparedStore,
        max_output_bytes: usize,
    ) -> Run {
        boxed_future(|| async move {
            let Self {
                function,
                arguments,
            } = *self;
            // Every value takes the size of a `Val` in the host, and at least 2 bytes in the output, except those of
            // bytes.
            let max_result_bytes = max_output_bytes.saturating_mul(size_of::<Val>() / 2);
            let max_result_bytes = max_result_bytes.max(store.store.hostcall_fuel());
            store
                .store
                .set_hostcall_fuel(max_result_bytes / function.max_bytes_per_fuel);
            let instance = match store.instantiate(&guest).await {
                Ok(instance) => instance,
                Err(error) => return Err(contract::trap(error, &store.store)),
            };
            let mut calls = GuestCalls::new(&mut store.store, instance, max_output_bytes);
            let arguments = match function.has_resources {
                true => calls.make_all(&function.parameters, arguments).await?,
                false => arguments,
            };
            let output = if function.methods.is_empty() {
                let has_result = function.returns.is_some();
                let mut results = calls.call(&function.export, has_result, &arguments).await?;
                if function.has_transfers {
                    calls.complete(&function.returns, &mut results).await?;
                }
                function.output(&results, max_output_bytes)?
            } else {
                function
                    .call_steps(&mut calls, arguments, max_output_bytes)
                    .await?
            };
            calls.drop_made().await?;
            Ok(output)
        })
    }
}

/// Formats a value for a model: a string as it is, any other value as JSON.
fn to_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
