//! Components that answer HTTP requests: `wasi:http/incoming-handler`.
//!
//! A request is one call: a fresh instance, the limits and grants of the component. The response is passed on when the guest
//! has its head; its body streams while the guest runs, up to the output limit.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::call_error::{CallError, TargetKind};
use super::contract::{GuestContext, HANDLER_INTERFACE};
use super::execute::{CallTarget, MAX_LOGGED_BYTES, for_log};
use super::load::Component;
use super::load_error::LoadError;
use super::output_validation::GuestOutput;
use crate::text::bounded;

/// The reason why a request has no response. `Display` is one sentence for the client.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The call failed before the response.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The guest reported an error in place of a response, or ended without one.
    #[error("the handler gave no response")]
    NoResponse,
}

/// The body of a response. Dropping it before its end stops the guest.
pub struct HandlerBody {
    body: HyperOutgoingBody,
    remaining_bytes: usize,
    /// `None` after the end of the body: the guest may then run on within its limits.
    guest: Option<AbortOnDropHandle<Result<(), CallError>>>,
}

/// The reason why the body of a response ends early.
#[derive(Debug, thiserror::Error)]
pub enum HandlerBodyError {
    /// The body is larger than the output limit.
    #[error("the body is larger than the limit of the component")]
    TooLarge,
    /// The guest ended before its body.
    #[error("the guest ended before the body of its response")]
    Incomplete,
}

/// The output of a guest that has answered through its response.
struct Answered;

impl GuestOutput for Answered {
    fn size_bytes(&self) -> usize {
        0
    }

    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Component {
    /// Returns whether it answers HTTP requests.
    pub fn has_handler(&self) -> bool {
        self.guest.has_handler()
    }

    /// Checks that it offers what it is loaded for: an HTTP handler if it is mounted, else a tool, prompt or resource.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn check_purpose(&self, is_mounted: bool) -> Result<(), LoadError> {
        let offers_tools = !self.tools.is_empty() || self.has_prompts_or_resources();
        match is_mounted {
            true if !self.has_handler() => Err(LoadError::NoHandler(HANDLER_INTERFACE)),
            false if !offers_tools => Err(LoadError::OnlyHandler),
            _ => Ok(()),
        }
    }

    /// Answers an HTTP request whose URI is absolute or that has a `Host`. Dropping the future or the body of the response
    /// stops the guest.
    ///
    /// # Errors
    /// The reason why there is no response.
    pub async fn handle(
        self: &Arc<Self>,
        request: Request<Bytes>,
        context: GuestContext,
    ) -> Result<Response<HandlerBody>, HandlerError> {
        let (sender, receiver) = oneshot::channel();
        let (component, id) = (self.clone(), context.id.clone());
        let call = async move {
            let path = request.uri().path().to_owned();
            let target = CallTarget {
                kind: TargetKind::Handler,
                name: &path,
            };
            let (guest, request) = (component.guest.clone(), request.map(Full::new));
            let run = move |store| async move {
                let answered = guest.handle(store, request, sender).await;
                answered.map(|()| Answered)
            };
            let profile = &component.cpu_profile;
            let ended = component.execute(target, context, profile, run).await;
            ended.map(|Answered| ())
        };
        let guest = AbortOnDropHandle::new(tokio::spawn(call));
        let response = match receiver.await {
            Ok(Ok(response)) => response,
            Ok(Err(code)) => {
                let code = bounded(format_args!("{code:?}"), MAX_LOGGED_BYTES);
                tracing::info!(
                    call.id = %id, component.name = %self.name, http.error = %for_log(&code),
                    "handler failed"
                );
                return Err(HandlerError::NoResponse);
            }
            // The guest has ended, and its store is gone.
            Err(_) => {
                return Err(match guest.await {
                    Ok(Ok(())) => HandlerError::NoResponse,
                    Ok(Err(error)) => error.into(),
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(_) => HandlerError::NoResponse,
                    },
                });
            }
        };
        let max_bytes = self.limits.output_bytes;
        Ok(response.map(|body| HandlerBody {
            body,
            remaining_bytes: max_bytes,
            guest: Some(guest),
        }))
    }
}

impl HandlerBody {
    /// Lets the guest run on, if it does, within its limits.
    fn end(&mut self) {
        if let Some(guest) = self.guest.take() {
            drop(guest.detach());
        }
    }
}

impl Body for HandlerBody {
    type Data = Bytes;
    type Error = HandlerBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HandlerBodyError>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        Poll::Ready(match frame {
            None => {
                this.end();
                None
            }
            Some(Err(_)) => Some(Err(HandlerBodyError::Incomplete)),
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match this.remaining_bytes.checked_sub(bytes) {
                    Some(left) => {
                        this.remaining_bytes = left;
                        Some(Ok(frame))
                    }
                    None => {
                        this.guest = None;
                        Some(Err(HandlerBodyError::TooLarge))
                    }
                }
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.is_end_stream() {
            true => SizeHint::with_exact(0),
            false => SizeHint::default(),
        }
    }
}

impl Drop for HandlerBody {
    fn drop(&mut self) {
        // A body without bytes is never polled.
        if self.body.is_end_stream() {
            self.end();
        }
    }
}
