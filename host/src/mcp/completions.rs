//! `completion/complete`. A completion asks no questions and reports no events.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, InputRequiredResult, MetaObject,
};
use serde_json::Value;

use super::calls::{CallRequest, GuestMethod};
use super::convert;
use super::in_flight::GuestFuture;
use super::input_required::Binding;
use super::rounds::RoundInput;
use crate::catalog::Target;
use crate::component::{
    CallError, ClientFeatures, Completion, CompletionRequest, GuestContext, Outcome,
};

/// The method `completion/complete`, with the argument to complete.
pub(super) struct CompletionComplete {
    argument: String,
    value: String,
    /// The arguments that have values already.
    others: Vec<(String, String)>,
}

/// Returns the request in the form of the driver.
///
/// # Errors
/// The reference is neither to a prompt nor to a resource template.
pub(super) fn request(
    params: CompleteRequestParams,
) -> Result<CallRequest<CompletionComplete>, ErrorData> {
    let Some((target, name)) = convert::completion_target(&params.r#ref) else {
        return Err(ErrorData::invalid_params("unknown kind of `ref`", None));
    };
    let others = params.context.and_then(|context| context.arguments);
    Ok(CallRequest {
        method: CompletionComplete {
            argument: params.argument.name,
            value: params.argument.value,
            others: others.unwrap_or_default().into_iter().collect(),
        },
        target,
        name: name.to_owned(),
        arguments: Arc::default(),
        state: None,
        responses: None,
    })
}

impl GuestMethod for CompletionComplete {
    const NAME: &'static str = "completion/complete";
    const REPORTS_EVENTS: bool = false;
    type Output = Completion;
    type Result = CompleteResult;
    type Response = CompleteResult;

    fn start(&self, target: &Target, _: &Binding, input: RoundInput) -> GuestFuture<Completion> {
        // `check` has answered for the other targets.
        let Some(subject) = convert::completion_subject(target) else {
            return Box::pin(async { Err(CallError::NotFound) });
        };
        let request = CompletionRequest {
            subject,
            argument: self.argument.clone(),
            value: self.value.clone(),
            others: self.others.clone(),
        };
        let context = GuestContext {
            client_features: ClientFeatures::default(),
            ..input.context
        };
        let target = target.clone();
        Box::pin(async move {
            let completion = target.complete(request, context, input.permit).await?;
            Ok(Outcome::Complete(completion))
        })
    }

    fn check(&self, target: &Target, _: &Value) -> Result<Option<CompleteResult>, ErrorData> {
        let can_complete = target.completes() && convert::completion_subject(target).is_some();
        let none = || CompleteResult::new(CompletionInfo::default());
        Ok((!can_complete).then(none))
    }

    fn result(completion: Completion, _: bool) -> CompleteResult {
        convert::completion(completion)
    }

    fn meta(result: &mut CompleteResult) -> &mut Option<MetaObject> {
        &mut result.meta
    }

    fn input_required(_: InputRequiredResult) -> Result<CompleteResult, ErrorData> {
        let message = "a completion cannot ask questions";
        Err(ErrorData::internal_error(message, None))
    }

    fn unknown_target(name: &str) -> ErrorData {
        let message = format!(
            "unknown prompt or template `{name}`; prompts/list and resources/templates/list name \
             those there are"
        );
        ErrorData::invalid_params(message, None)
    }
}
