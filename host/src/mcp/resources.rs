//! `resources/read`.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::{
    CacheScope, InputRequiredResult, MetaObject, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult,
};
use serde_json::json;

use super::calls::{CallRequest, GuestMethod};
use super::convert;
use super::in_flight::{Failed, GuestFuture};
use super::input_required::Binding;
use super::rounds::RoundInput;
use crate::boxed_future::boxed_future;
use crate::catalog::{Target, TargetName};
use crate::component::{Call, CallError, Embedded};

/// The method `resources/read`.
pub(super) struct ResourcesRead;

/// Returns the request in the form of the driver.
pub(super) fn request(params: ReadResourceRequestParams) -> CallRequest<ResourcesRead> {
    CallRequest {
        method: ResourcesRead,
        target: TargetName::Resource(params.uri.clone()),
        name: params.uri,
        arguments: Arc::default(),
        state: params.request_state,
        responses: params.input_responses,
    }
}

impl GuestMethod for ResourcesRead {
    const NAME: &'static str = "resources/read";
    type Output = Vec<Embedded>;
    type Result = ReadResourceResult;
    type Response = ReadResourceResponse;

    fn start(
        &self,
        target: &Target,
        binding: &Binding,
        input: RoundInput,
    ) -> GuestFuture<Vec<Embedded>> {
        let target = target.clone();
        let call = Call {
            arguments: binding.name.clone(),
            answers: input.answers,
            state: input.state,
            context: input.context,
        };
        boxed_future(|| async move { target.read(call, input.permit).await })
    }

    fn result(parts: Vec<Embedded>, is_modern: bool) -> ReadResourceResult {
        let mut result = convert::resource_result(parts);
        if is_modern {
            // The contents may depend on the caller and on the time.
            (result.ttl_ms, result.cache_scope) = (Some(0), Some(CacheScope::Private));
        }
        result
    }

    fn meta(result: &mut ReadResourceResult) -> &mut Option<MetaObject> {
        &mut result.meta
    }

    fn input_required(questions: InputRequiredResult) -> Result<ReadResourceResponse, ErrorData> {
        Ok(questions.into())
    }

    fn unknown_target(uri: &str) -> ErrorData {
        ErrorData::resource_not_found("there is no such resource", Some(json!({ "uri": uri })))
    }

    fn failed(failed: &Failed, uri: &str) -> Result<ReadResourceResult, ErrorData> {
        Err(match &failed.error {
            Some(CallError::NotFound) => Self::unknown_target(uri),
            _ => failed.to_protocol_error(),
        })
    }
}
