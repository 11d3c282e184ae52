//! Invocation of a function: arguments decoded before the instance exists, the result encoded after it returned.

use std::sync::Arc;

use serde_json::{Value, json};
use wasmtime::component::Val;

use super::decode::decode;
use super::encode::encode;
use super::function::Function;
use super::types::{TypeKind, WitType};
use crate::component::contract::{self, Block, Content, Guest, GuestError, PreparedStore};
use crate::component::exported::{Callee, ExportedOutput, PreparedCall, Run};
use crate::component::schema::Strings;
use crate::component::tool_result::ToolResult;

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
    fn output(
        &self,
        results: &[Val],
        max_output_bytes: usize,
    ) -> Result<ExportedOutput, GuestError> {
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
                (Ok(_), ..) => return Ok(empty()),
                (Err(Some(value)), _, Some(ty)) => {
                    return Err(GuestError::Failed(to_text(&encode(ty, value)?)));
                }
                (Err(_), ..) => {
                    let sentence = format!("`{}` failed without saying why", self.path.function);
                    return Err(GuestError::Failed(sentence));
                }
            },
            (Some(ty), Some(value)) => encode(ty, value)?,
            _ => return Ok(empty()),
        };
        let text = to_text(&value);
        Ok(ExportedOutput {
            size_bytes: text.len(),
            result: ToolResult {
                structured: Some(match self.returns_record() {
                    true => value,
                    false => json!({ "result": value }),
                }),
                content: vec![Content {
                    block: Block::Text(text),
                    audience: None,
                }],
                ..ToolResult::default()
            },
        })
    }
}

impl PreparedCall for PreparedFunction {
    fn run(
        self: Box<Self>,
        guest: Arc<Guest>,
        mut store: PreparedStore,
        max_output_bytes: usize,
    ) -> Run {
        Box::pin(async move {
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
            let mut results = vec![Val::Bool(false); usize::from(function.returns.is_some())];
            let call = async {
                let instance = store.instantiate(&guest).await?;
                let export = instance
                    .get_func(&mut store.store, &function.export)
                    .ok_or_else(|| wasmtime::Error::msg("the export is not a function"))?;
                export
                    .call_async(&mut store.store, &arguments, &mut results)
                    .await
            };
            match call.await {
                Ok(()) => function.output(&results, max_output_bytes),
                Err(error) => Err(contract::trap(error, &store.store)),
            }
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
