//! `prompts/get`.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::{
    GetPromptRequestParams, GetPromptResponse, GetPromptResult, InputRequiredResult, MetaObject,
};
use serde_json::Value;

use super::calls::{CallRequest, GuestMethod};
use super::convert;
use super::in_flight::GuestFuture;
use super::input_required::Binding;
use super::rounds::RoundInput;
use crate::boxed_future::boxed_future;
use crate::catalog::{Target, TargetName};
use crate::component::{Call, CallError, PromptResult};

/// The method `prompts/get`.
pub(super) struct PromptsGet;

/// Returns the request in the form of the driver.
pub(super) fn request(params: GetPromptRequestParams) -> CallRequest<PromptsGet> {
    CallRequest {
        method: PromptsGet,
        target: TargetName::Prompt(params.name.clone()),
        name: params.name,
        arguments: Arc::new(Value::Object(params.arguments.unwrap_or_default())),
        state: params.request_state,
        responses: params.input_responses,
    }
}

impl GuestMethod for PromptsGet {
    const NAME: &'static str = "prompts/get";
    type Output = PromptResult;
    type Result = GetPromptResult;
    type Response = GetPromptResponse;

    fn start(
        &self,
        target: &Target,
        binding: &Binding,
        input: RoundInput,
    ) -> GuestFuture<PromptResult> {
        let Target::Prompt(prompt) = target.clone() else {
            return Box::pin(async { Err(CallError::NotFound) });
        };
        // `check` has rejected other values.
        let arguments = binding.arguments.as_object().into_iter().flatten();
        let arguments = arguments.filter_map(|(name, value)| {
            let value = value.as_str()?;
            Some((name.clone(), value.to_owned()))
        });
        let call = Call {
            arguments: arguments.collect(),
            answers: input.answers,
            state: input.state,
            context: input.context,
        };
        boxed_future(|| async move { prompt.fill(call, input.permit).await })
    }

    fn check(&self, _: &Target, arguments: &Value) -> Result<Option<GetPromptResult>, ErrorData> {
        let mut arguments = arguments.as_object().into_iter().flatten();
        match arguments.find(|(_, value)| !matches!(value, Value::String(_))) {
            Some((name, _)) => {
                let message = format!("`/arguments/{}` must be a string", convert::pointer(name));
                Err(ErrorData::invalid_params(message, None))
            }
            None => Ok(None),
        }
    }

    fn result(prompt: PromptResult, _: bool) -> GetPromptResult {
        convert::prompt_result(prompt)
    }

    fn meta(result: &mut GetPromptResult) -> &mut Option<MetaObject> {
        &mut result.meta
    }

    fn input_required(questions: InputRequiredResult) -> Result<GetPromptResponse, ErrorData> {
        Ok(questions.into())
    }

    fn unknown_target(name: &str) -> ErrorData {
        let message = format!("unknown prompt `{name}`; prompts/list names those there are");
        ErrorData::invalid_params(message, None)
    }
}
