//! Requests to mounted components, behind the same checks as the MCP endpoint.
//!
//! The body of a request is read before its call starts, so a slow client holds no instance. The body of the response
//! streams while the guest runs.

use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;

use super::body;
use super::byte_budget::Budget;
use super::connection::Connection;
use super::endpoint::Endpoint;
use super::lingering_body::RequestBody;
use super::{observe, outgoing, responses};
use crate::auth::Caller;
use crate::catalog::{Catalog, MountEntry};
use crate::mcp::{AdmissionError, HandlerFailure};
use crate::telemetry::{Record, RequestTrace, TraceHeaders};
use crate::text::truncate;

/// The mount that a request is for, in the catalog in which it was found.
pub(super) struct Mounted {
    pub(super) catalog: Arc<Catalog>,
    pub(super) entry: Arc<MountEntry>,
}

impl Endpoint {
    /// Returns the mount at a path or above it.
    pub(super) fn mount_at(&self, path: &str) -> Option<Mounted> {
        let catalog = self.live.current();
        let entry = catalog.mount(path)?.clone();
        Some(Mounted { catalog, entry })
    }

    /// Answers one request to a mounted component.
    pub(super) async fn handle_mounted(
        &self,
        mounted: &Mounted,
        head: &Parts,
        body: &mut RequestBody,
        caller: Option<Arc<Caller>>,
        connection: Option<&Arc<Connection>>,
        record: &Arc<Record>,
    ) -> Response {
        let method = truncate(head.method.as_str(), observe::MAX_METHOD_BYTES);
        record.trace(|| RequestTrace {
            method,
            id: None,
            message: TraceHeaders::default(),
            http: TraceHeaders {
                parent: observe::header(&head.headers, "traceparent"),
                state: observe::header(&head.headers, "tracestate"),
            },
        });
        record.set(|facts| {
            facts.caller = caller.clone();
            facts.method = method.to_owned().into();
        });
        mounted.entry.record_in(record);
        let budget = self.budgets.for_call(
            caller.as_deref().map(Caller::user_key),
            connection.map(|connection| &connection.accounts),
        );
        let response = self
            .answer_mounted(mounted, head, body, caller, &budget, record)
            .await;
        match response {
            Ok(response) => outgoing::count(response, &budget)
                .unwrap_or_else(|exhausted| responses::bytes_exhausted(exhausted, None)),
            Err(rejected) => outgoing::count_small(*rejected, &budget),
        }
    }

    async fn answer_mounted(
        &self,
        mounted: &Mounted,
        head: &Parts,
        body: &mut RequestBody,
        caller: Option<Arc<Caller>>,
        budget: &Budget,
        record: &Arc<Record>,
    ) -> Result<Response, Box<Response>> {
        let bytes = body::read_any(body, self.max_body_bytes, budget).await?;
        record.set(|facts| facts.request_bytes = bytes.len() as u64);
        let Mounted { catalog, entry } = mounted;
        let admitted = match self.observer.accepts_calls() {
            true => {
                let caller = caller.as_deref();
                self.server.admit_to(catalog, entry, caller, record).await
            }
            false => Err(AdmissionError::NotRecorded),
        };
        let permit = admitted.map_err(|error| Box::new(self.not_admitted(&error, None)))?;
        let mut request = Request::new(bytes);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.headers_mut() = head.headers.clone();
        // Without a guard, a token would still be here.
        request.headers_mut().remove(header::AUTHORIZATION);
        let server = &self.server;
        let answered = server.answer_mounted(entry, request, caller, permit, record);
        match answered.await {
            Ok(response) => Ok(response.map(Body::new)),
            Err(error) => Err(failed(&error).into()),
        }
    }
}

/// Returns the response to a request for which a handler gave none.
fn failed(failure: &HandlerFailure) -> Response {
    let status = match failure.is_stopped {
        true => StatusCode::GATEWAY_TIMEOUT,
        false => StatusCode::INTERNAL_SERVER_ERROR,
    };
    responses::plain(status, &failure.sentence)
}
