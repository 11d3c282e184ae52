//! The HTTP client that sends the authorised requests of a component.
//!
//! It uses no proxy, follows no redirects, opens a new connection for each request, and connects only to permitted
//! addresses.

use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;

use http_body_util::BodyExt;
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::sync::{OnceCell, OwnedSemaphorePermit};
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::body::{RequestBody, ResponseBody};
use super::connect_timeout::{ConnectTimeout, ConnectTimeoutLayer, Connection, MAX_CONNECT_TIME};
use super::header_limits::{MAX_HEADER_SECTION_BYTES, header_section_bytes};
use super::http_grant::{EgressDenied, HttpGrant};
use crate::network::{PrivateAddress, Resolver, Unresolved, cause};
use crate::telemetry::in_call;
use crate::text::{error_chain, escape_untrusted, truncate};

/// Maximum length of an error in the log: parts of it come from the server.
const MAX_LOGGED_ERROR_BYTES: usize = 1_000;
/// Headers in a response.
const MAX_HEADERS: usize = 128;

/// The client of one component. Its calls share only the configuration: no connections, no cookies.
pub(in crate::sandbox) struct EgressClient {
    pub(super) grant: HttpGrant,
    /// Created for the first request, because loading the trusted root certificates would slow down the start.
    client: OnceCell<Client>,
}

/// The timeouts of one request.
pub(super) struct Timeouts {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

impl Timeouts {
    /// Uses the guest's options, with an upper limit for connecting. The time limit of the call bounds the other ones.
    pub(super) fn new(options: RequestOptions) -> Self {
        Self {
            connect: options
                .connect_timeout
                .map_or(MAX_CONNECT_TIME, |time| time.min(MAX_CONNECT_TIME)),
            first_byte: options.first_byte_timeout.unwrap_or(Duration::MAX),
            between_bytes: options.between_bytes_timeout.unwrap_or(Duration::MAX),
        }
    }
}

impl EgressClient {
    pub(in crate::sandbox) fn new(grant: HttpGrant) -> Self {
        Self {
            grant,
            client: OnceCell::new(),
        }
    }

    /// Sends `request` to `url`, the URL that was authorised. The response holds `permit` until its body is dropped.
    ///
    /// # Errors
    /// The error for the guest.
    pub(super) async fn send(
        &self,
        url: Url,
        request: http::Request<WasiBody>,
        timeouts: Timeouts,
        permit: OwnedSemaphorePermit,
    ) -> Result<http::Response<WasiBody>, Error> {
        let (parts, body) = request.into_parts();
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(RequestBody::new(body)));
        let client = self.client().await?;
        let connection = Connection::new(timeouts.connect);
        let first_byte_timeout = async {
            connection.established().await;
            tokio::time::sleep(timeouts.first_byte).await;
        };
        let response = tokio::select! {
            response = connection.scope(client.execute(request)) => {
                response.map_err(|error| to_guest_error(&error))?
            }
            () = first_byte_timeout => return Err(Error::ConnectionReadTimeout),
        };
        let response = http::Response::<reqwest::Body>::from(response);
        if header_section_bytes(response.headers()) > MAX_HEADER_SECTION_BYTES {
            return Err(Error::HttpResponseHeaderSectionSize(Some(
                MAX_HEADER_SECTION_BYTES as u32,
            )));
        }
        Ok(response
            .map(|body| ResponseBody::new(body, timeouts.between_bytes, permit).boxed_unsync()))
    }

    async fn client(&self) -> Result<&Client, Error> {
        let resolver = Resolver::new(self.grant.reach());
        self.client
            .get_or_try_init(|| async {
                match tokio::task::spawn_blocking(move || build_client(resolver)).await {
                    Ok(Ok(client)) => Ok(client),
                    Ok(Err(error)) => {
                        in_call(|| tracing::error!(%error, "failed to create HTTP client"));
                        Err(Error::ConfigurationError)
                    }
                    Err(_) => Err(Error::ConfigurationError),
                }
            })
            .await
    }
}

fn build_client(resolver: Resolver) -> reqwest::Result<Client> {
    Client::builder()
        // A guest follows a redirect itself, with a request that is authorised.
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        // A proxy would resolve the name itself and so bypass the check of the address.
        .no_proxy()
        .dns_resolver(resolver)
        .referer(false)
        // A pooled connection could leak state from one call to the next.
        .pool_max_idle_per_host(0)
        .http1_only()
        .http1_max_headers(MAX_HEADERS)
        .connect_timeout(MAX_CONNECT_TIME)
        .connector_layer(ConnectTimeoutLayer)
        .build()
}

/// Converts the error of a failed request to the error for the guest.
fn to_guest_error(error: &reqwest::Error) -> Error {
    // The request failed because the guest's own body is too large.
    if let Some(Error::HttpRequestBodySize(max_bytes)) = cause::<Error>(error) {
        return Error::HttpRequestBodySize(*max_bytes);
    }
    if cause::<PrivateAddress>(error).is_some() {
        in_call(|| {
            tracing::info!(
                http.host = error.url().and_then(Url::host_str).unwrap_or_default(),
                http.denied = %EgressDenied::PrivateAddress,
                "outgoing request refused"
            );
        });
        return Error::DestinationIpProhibited;
    }
    if cause::<Unresolved>(error).is_some() {
        return Error::DnsError {
            rcode: None,
            info_code: None,
        };
    }
    if cause::<ConnectTimeout>(error).is_some() || error.is_timeout() {
        return Error::ConnectionTimeout;
    }
    match cause(error).map(innermost_kind) {
        Some(ErrorKind::ConnectionRefused) => Error::ConnectionRefused,
        Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => Error::ConnectionTerminated,
        // rustls reports an invalid certificate, and every other failed handshake, with this kind.
        Some(ErrorKind::InvalidData) => {
            // The error itself names the URL, whose path and query may contain secrets.
            let reason = error.source().map(error_chain).unwrap_or_default();
            in_call(|| {
                tracing::info!(
                    http.host = error.url().and_then(Url::host_str).unwrap_or_default(),
                    error = %escape_untrusted(truncate(&reason, MAX_LOGGED_ERROR_BYTES)),
                    "outgoing request failed: no TLS connection"
                );
            });
            Error::TlsCertificateError
        }
        _ if error.is_connect() => Error::DestinationUnavailable,
        _ => Error::HttpProtocolError,
    }
}

/// Returns the kind of the innermost I/O error. `Error::source` skips an I/O error that is wrapped in another one.
fn innermost_kind(error: &std::io::Error) -> ErrorKind {
    let mut error = error;
    while let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        error = inner;
    }
    error.kind()
}
