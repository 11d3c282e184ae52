//! The entry to the MCP endpoint: `Host` and `Origin`, CORS, the guard, and the endpoint, in this order.
//!
//! One future instead of a stack of layers: each layer of axum would allocate a future of its own for every request. The
//! connections of the host call it directly; an application that mounts the router reaches it through the router.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use axum::response::Response;
use futures::FutureExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders};

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::lingering_body::RequestBody;
use super::mounts::Mounted;
use super::origin::{self, Policy};
use super::{observe, outgoing, responses};
use crate::auth::{Caller, GuardLayer};
use crate::telemetry::{Observer, Record};

/// Everything between a connection and the MCP endpoint, and the endpoint itself.
pub(super) struct Entry {
    /// The path of the endpoint, without a slash at the end unless it is `/`.
    pub(super) path: String,
    pub(super) policy: Arc<Policy>,
    /// Authenticates callers; `None` accepts everybody.
    pub(super) guard: Option<GuardLayer>,
    pub(super) cors: CorsLayer,
    /// CORS of mounted components, whose methods are their own.
    pub(super) mount_cors: CorsLayer,
    pub(super) observer: Observer,
    pub(super) endpoint: Endpoint,
}

/// The target of a request, the connection on which it came, and its record.
#[derive(Clone, Copy)]
struct To<'r> {
    /// `None` for the MCP endpoint.
    mounted: Option<&'r Mounted>,
    connection: Option<&'r Arc<Connection>>,
    record: &'r Arc<Record>,
}

impl Entry {
    /// Returns whether a path is that of the endpoint.
    pub(super) fn is_at(&self, uri: &Uri) -> bool {
        let path = uri.path();
        // As in the router, a slash at the end makes no difference.
        let with_slash = path
            .strip_suffix('/')
            .filter(|path| !path.is_empty() && *path != "/");
        path == self.path || with_slash.is_some_and(|path| path == self.path)
    }

    /// Answers a request to the endpoint, or to a mounted component. `connection` is `None` in a server that is not the
    /// host's own.
    pub(super) async fn handle(
        &self,
        request: Request,
        mounted: Option<&Mounted>,
        connection: Option<&Arc<Connection>>,
    ) -> Response {
        let record = Record::start(&self.observer, "http");
        let to = To {
            mounted,
            connection,
            record: &record,
        };
        let (head, body) = request.into_parts();
        let mut body = RequestBody::new(&head, body);
        let response = match origin::check(&self.policy, &head) {
            Err(rejected) => outgoing::count_other(*rejected, connection),
            // Only these need the headers of CORS.
            Ok(())
                if head.headers.contains_key(header::ORIGIN) || head.method == Method::OPTIONS =>
            {
                // Boxed, like everything rare below, so that the future of a usual call stays small.
                Box::pin(self.with_cors(head, &mut body, to)).await
            }
            Ok(()) => self.guarded(head, &mut body, to).await,
        };
        body.discard_rest().await;
        observe::answered(record, response)
    }

    /// Answers a preflight request, or adds the headers that let a web page read the response.
    async fn with_cors(&self, mut head: Parts, body: &mut RequestBody, to: To<'_>) -> Response {
        let cors = match to.mounted {
            None => &self.cors,
            Some(_) => &self.mount_cors,
        };
        let method = head.method.clone();
        // The layer takes each OPTIONS for a preflight request. A mounted component may serve it.
        if to.mounted.is_some() && method == Method::OPTIONS && !is_preflight(&head.headers) {
            head.method = Method::GET;
        }
        let mut body = Some(body);
        let guarded = service_fn(|request: Request<()>| {
            let (mut head, ()) = request.into_parts();
            head.method = method.clone();
            let body = body.take();
            async move {
                Ok::<_, Infallible>(match body {
                    Some(body) => self.guarded(head, body, to).await,
                    // The layer calls the service once.
                    None => Response::default(),
                })
            }
        });
        let answered = cors.layer(guarded).oneshot(Request::from_parts(head, ()));
        let Ok(response) = answered.await;
        response
    }

    /// Answers a request of an accepted `Host` and `Origin`. A panic is a failure of this request only.
    async fn guarded(&self, mut head: Parts, body: &mut RequestBody, to: To<'_>) -> Response {
        let To {
            mounted,
            connection,
            record,
        } = to;
        let answered = async {
            let caller = match &self.guard {
                Some(guard) => match guard.authorize(&mut head.headers).await {
                    Ok(caller) => Some(caller),
                    Err(rejected) => return outgoing::count_other(*rejected, connection),
                },
                // A guard outside of this router may have authenticated the caller.
                None => head.extensions.get::<Arc<Caller>>().cloned(),
            };
            let endpoint = &self.endpoint;
            match mounted {
                Some(mounted) => {
                    if let Some(uri) = origin::target_uri(&self.policy, &head) {
                        head.uri = uri;
                    }
                    let handling =
                        endpoint.handle_mounted(mounted, &head, body, caller, connection, record);
                    Box::pin(handling).await
                }
                None => {
                    endpoint
                        .handle(&head, body, caller, connection, record)
                        .await
                }
            }
        };
        match AssertUnwindSafe(answered).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => outgoing::count_other(responses::panicked(panic), connection),
        }
    }
}

/// Returns the CORS layer of the endpoint. `origin::check` has rejected other origins before.
pub(super) fn cors(policy: Arc<Policy>) -> CorsLayer {
    const EXPOSED: [HeaderName; 3] = [
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        HeaderName::from_static("mcp-session-id"),
    ];
    cors_of(policy)
        .allow_methods([Method::POST, Method::GET, Method::DELETE])
        .expose_headers(EXPOSED)
}

/// Returns the CORS layer of mounted components, whose methods and headers are their own: a page may use those that it asks for.
pub(super) fn mount_cors(policy: Arc<Policy>) -> CorsLayer {
    cors_of(policy)
        .allow_methods(AllowMethods::mirror_request())
        .expose_headers(ExposeHeaders::any())
}

fn cors_of(policy: Arc<Policy>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, parts| {
            policy.allows_origin(origin, &parts.uri, &parts.headers)
        }))
        // Tools define the names of `Mcp-Param-*` headers.
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(std::time::Duration::from_secs(3600))
}

/// Returns whether a request with the method OPTIONS asks for permission (Fetch standard, section "CORS-preflight request").
fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
