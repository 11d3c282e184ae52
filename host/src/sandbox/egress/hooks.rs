//! The outgoing HTTP of one call: authorises and counts its requests.

use std::sync::Arc;

use http::header::{self, HeaderName};
use tokio::sync::Semaphore;
use url::Url;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody,
    WasiHttpHooks,
};

use super::client::{EgressClient, Timeouts};
use super::counts::EgressCounts;
use super::header_limits::{MAX_HEADER_SECTION_BYTES, header_section_bytes};
use super::http_grant::EgressDenied;
use crate::telemetry::{CallSpan, TraceSpan, grant_used, in_call};

/// Requests of one call, refused ones included.
const MAX_REQUESTS: u32 = 200;
/// Open requests of one call. A request is open until its response has been read or dropped.
const MAX_OPEN_REQUESTS: usize = 32;
/// Maximum length of a URL.
const MAX_URL_BYTES: usize = 8 << 10;
/// Size of the chunks in which a request body is buffered. Up to two chunks are buffered for each body.
const BODY_CHUNK_BYTES: usize = 8 << 10;

type SendResult = Result<(http::Response<WasiBody>, ConnectionDriver), Error>;
/// A future that wasmtime polls to drive the connection. reqwest drives its connections itself.
type ConnectionDriver = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// The HTTP hooks of one call.
pub(in crate::sandbox) struct EgressHooks {
    /// `None` if no request is granted.
    client: Option<Arc<EgressClient>>,
    counts: Arc<EgressCounts>,
    requests_made: u32,
    open_requests: Arc<Semaphore>,
}

impl EgressHooks {
    pub(in crate::sandbox) fn new(
        client: Option<Arc<EgressClient>>,
        counts: Arc<EgressCounts>,
    ) -> Self {
        Self {
            client,
            counts,
            requests_made: 0,
            open_requests: Arc::new(Semaphore::new(MAX_OPEN_REQUESTS)),
        }
    }

    /// Checks a request against the limits and the grant. Returns the client and the URL to send it to.
    fn admit(
        &mut self,
        request: &http::Request<WasiBody>,
    ) -> Result<(Arc<EgressClient>, Url), Error> {
        if self.requests_made == MAX_REQUESTS {
            in_call(|| {
                tracing::warn!(
                    limit.requests = MAX_REQUESTS,
                    "outgoing request limit reached"
                );
            });
        }
        self.requests_made = self.requests_made.saturating_add(1);
        if self.requests_made > MAX_REQUESTS {
            return Err(Error::ConnectionLimitReached);
        }
        let url = request.uri().to_string();
        if url.len() > MAX_URL_BYTES {
            return Err(Error::HttpRequestUriTooLong);
        }
        if header_section_bytes(request.headers()) > MAX_HEADER_SECTION_BYTES {
            return Err(Error::HttpRequestHeaderSectionSize(Some(
                MAX_HEADER_SECTION_BYTES as u32,
            )));
        }
        let authorized = match &self.client {
            Some(client) => client.grant.authorize(request.method(), &url).map(|url| {
                self.counts.allow(&client.grant, &url);
                (client.clone(), url)
            }),
            None => Err(EgressDenied::NotGranted),
        };
        // Path and query are not recorded, since they may contain personal data or secrets.
        let host = request.uri().host().unwrap_or_default();
        grant_used("http", host, authorized.is_ok());
        authorized.map_err(|denied| {
            self.counts.deny();
            in_call(|| {
                tracing::info!(http.host = host, http.denied = %denied, "outgoing request refused");
            });
            match denied {
                EgressDenied::NotGranted | EgressDenied::Connect => Error::HttpRequestDenied,
                EgressDenied::PrivateAddress => Error::DestinationIpProhibited,
                EgressDenied::Url => Error::HttpRequestUriInvalid,
            }
        })
    }
}

impl WasiHttpHooks for EgressHooks {
    /// Forbids the headers that the host sets itself: message framing, `Host`, and headers for proxies.
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        const FORBIDDEN: [HeaderName; 4] = [
            header::TE,
            header::TRAILER,
            header::EXPECT,
            header::FORWARDED,
        ];
        Arc::new(|name| {
            DEFAULT_FORBIDDEN_HEADERS.contains(name)
                || FORBIDDEN.contains(name)
                || name.as_str().starts_with("proxy-")
        })
    }

    /// The host buffers this much of each body, including the body of a request that is never sent.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }

    /// reqwest derives the header from the URL that was authorised.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        mut request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = SendResult> + Send> {
        let timeouts = Timeouts::new(options.unwrap_or_default());
        let admitted = self.admit(&request);
        let permit = self.open_requests.clone().try_acquire_owned();
        let sending = async move {
            let (client, url) = admitted?;
            let permit = permit.map_err(|_| Error::ConnectionLimitReached)?;
            let span = CallSpan::current();
            let span = span.as_ref().and_then(CallSpan::trace);
            let span = span.map(|span| span.outgoing(request.method(), &url));
            if let Some(span) = &span {
                span.inject(request.headers_mut());
            }
            let response = client.send(url, request, timeouts, permit).await;
            if let Some(span) = &span {
                record_response(span, &response);
            }
            let response = response?;
            let driver: ConnectionDriver = Box::new(async { Ok(()) });
            Ok((response, driver))
        };
        // wasmtime runs it in a task of its own, whose log lines would lack the component and the call.
        match CallSpan::current() {
            Some(span) => Box::new(span.scope(sending)),
            None => Box::new(sending),
        }
    }
}

/// Adds the outcome of a request to its span.
fn record_response(span: &TraceSpan, response: &Result<http::Response<WasiBody>, Error>) {
    match response {
        Ok(response) => {
            let status = response.status();
            span.set("http.response.status_code", i64::from(status.as_u16()));
            if status.is_client_error() || status.is_server_error() {
                span.set_error(status.as_str().to_owned());
            }
        }
        Err(error) => span.set_error(format!("{error:?}")),
    }
}
