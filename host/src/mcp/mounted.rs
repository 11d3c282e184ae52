//! Requests to mounted components, which are calls: the same checks, ids and shutdown as those of MCP.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use super::admission::{AdmissionError, authorize_and_admit_to};
use super::call_id;
use super::call_outcome::{of_body_error, of_handler_failure, of_rejection};
use super::server::ToolServer;
use crate::auth::Caller;
use crate::catalog::{CallPermit, Catalog, MountEntry};
use crate::component::{
    CallError, ClientFeatures, DescribeCaller, GuestContext, HandlerBodyError, HandlerError,
};
use crate::telemetry::{Outcome, Record};

/// The body of a response. An early end is recorded.
pub(crate) type MountedBody = UnsyncBoxBody<Bytes, HandlerBodyError>;

/// The failure of a mounted component to answer.
pub(crate) struct HandlerFailure {
    /// One sentence for the client.
    pub(crate) sentence: String,
    /// Whether the host stopped the call at its time or processor time.
    pub(crate) is_stopped: bool,
}

impl ToolServer {
    /// Checks the scopes of a request to a mounted component and takes a permit for it.
    ///
    /// # Errors
    /// The first check that fails.
    pub(crate) async fn admit_to(
        &self,
        catalog: &Catalog,
        mount: &MountEntry,
        caller: Option<&Caller>,
        record: &Record,
    ) -> Result<CallPermit, AdmissionError> {
        let admitted = authorize_and_admit_to(catalog, mount, caller).await;
        admitted.inspect_err(|error| {
            let (outcome, reason) = of_rejection(error);
            record.end(outcome, reason);
        })
    }

    /// Answers a request that was admitted. The permit is held until the guest has ended.
    ///
    /// # Errors
    /// The reason why there is no response.
    pub(crate) async fn answer_mounted(
        &self,
        mount: &MountEntry,
        request: Request<Bytes>,
        caller: Option<Arc<Caller>>,
        permit: CallPermit,
        record: &Arc<Record>,
    ) -> Result<Response<MountedBody>, HandlerFailure> {
        let id = call_id::next();
        record.set(|facts| facts.call_id = Some(id.as_str().into()));
        let context = GuestContext {
            id: id.clone(),
            client_features: ClientFeatures::default(),
            caller: caller.map(|caller| caller as Arc<dyn DescribeCaller>),
            events: None,
            cancelled: self.shutdown_token().child_token(),
            held: Some(Arc::new((permit.held(), record.clone()))),
            usage: record.usage(),
            span: record.span(),
        };
        let answered = mount.component().handle(request, context).await;
        match answered {
            Ok(response) => {
                record.end(Outcome::Ok, None);
                let record = record.clone();
                Ok(response.map(|body| {
                    body.map_err(move |error| {
                        let (outcome, reason) = of_body_error(&error);
                        record.end_later(outcome, reason);
                        error
                    })
                    .boxed_unsync()
                }))
            }
            Err(error) => {
                let (outcome, reason) = of_handler_failure(&error);
                record.end(outcome, reason);
                let sentence = match &error {
                    HandlerError::Call(call) if !call.has_more_in_log() => error.to_string(),
                    _ => format!("{error}; the host's log has the cause under call {id}"),
                };
                Err(HandlerFailure {
                    sentence,
                    is_stopped: matches!(error, HandlerError::Call(CallError::Stopped(_))),
                })
            }
        }
    }
}
