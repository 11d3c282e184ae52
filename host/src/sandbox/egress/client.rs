//! Sends what was judged: no proxy, no redirect, a connection for each request, and only to addresses within reach.

use std::io::ErrorKind;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};
use http_body_util::BodyExt;
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::sync::{Notify, OnceCell, OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service};
use url::Url;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody,
    WasiHttpHooks,
};

use super::body::{RequestBody, ResponseBody};
use super::{EgressDenied, HttpGrant};
use crate::network::{PrivateAddress, Resolver, Unresolved, cause};

/// Requests that one call may make, refused ones counted.
const MAX_REQUESTS: u32 = 200;
/// Requests of one call at the same time, until their responses have been read or dropped.
const MAX_OPEN_REQUESTS: usize = 32;
/// How long a connection may take: name, TCP and TLS.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// What waits to be sent in one write; one more write may wait before it.
const BODY_CHUNK_BYTES: usize = 8 << 10;
/// The longest URL.
const MAX_URL_BYTES: usize = 8 << 10;
/// Names and values of all headers of a request, and of a response.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// Headers in a response.
const MAX_HEADERS: usize = 128;

type Sent = Result<(http::Response<WasiBody>, Io), Error>;
/// What drives the connection further; the client does that itself.
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// What a component sends with. Its calls share nothing but this: no connection, no cookie.
pub(in crate::sandbox) struct Outgoing {
    grant: HttpGrant,
    /// Built at first need: reading the trusted roots takes time that a start should not.
    client: OnceCell<Client>,
}

impl Outgoing {
    pub(in crate::sandbox) fn new(grant: HttpGrant) -> Self {
        Self {
            grant,
            client: OnceCell::new(),
        }
    }

    async fn client(&self) -> Result<&Client, Error> {
        let resolver = Resolver::new(self.grant.reach());
        self.client
            .get_or_try_init(|| async {
                let built = tokio::task::spawn_blocking(move || {
                    Client::builder()
                        // A redirect is the guest's to follow, by a request that is judged.
                        .redirect(Policy::none())
                        .retry(reqwest::retry::never())
                        // A proxy would resolve the name itself, past the check of the address.
                        .no_proxy()
                        .dns_resolver(resolver)
                        .referer(false)
                        // A connection that is kept would carry one call's state to the next.
                        .pool_max_idle_per_host(0)
                        .http1_only()
                        .http1_max_headers(MAX_HEADERS)
                        .connect_timeout(CONNECT_TIME)
                        .connector_layer(WithinConnectTime)
                        .build()
                });
                match built.await {
                    Ok(Ok(client)) => Ok(client),
                    Ok(Err(error)) => {
                        tracing::error!(%error, "no HTTP client");
                        Err(Error::ConfigurationError)
                    }
                    Err(_) => Err(Error::ConfigurationError),
                }
            })
            .await
    }

    async fn send(
        &self,
        url: Url,
        request: http::Request<WasiBody>,
        times: Times,
        place: OwnedSemaphorePermit,
    ) -> Sent {
        let (parts, body) = request.into_parts();
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(RequestBody::new(body)));
        let client = self.client().await?;
        let connection = Arc::new(Connection {
            time: times.connect,
            made: Notify::new(),
        });
        let silence = async {
            connection.made.notified().await;
            tokio::time::sleep(times.first_byte).await;
        };
        let response = tokio::select! {
            sent = CONNECTION.scope(connection.clone(), client.execute(request)) => {
                sent.map_err(|error| failed(&error))?
            }
            () = silence => return Err(Error::ConnectionReadTimeout),
        };
        let response = http::Response::<reqwest::Body>::from(response);
        if head_bytes(response.headers()) > MAX_HEAD_BYTES {
            return Err(Error::HttpResponseHeaderSectionSize(Some(
                MAX_HEAD_BYTES as u32,
            )));
        }
        let response =
            response.map(|body| ResponseBody::new(body, times.between_bytes, place).boxed_unsync());
        Ok((response, Box::new(async { Ok(()) })))
    }
}

/// The outgoing HTTP of one call.
pub(in crate::sandbox) struct Egress {
    /// `None` where nothing is granted.
    outgoing: Option<Arc<Outgoing>>,
    requests: u32,
    places: Arc<Semaphore>,
}

impl Egress {
    pub(in crate::sandbox) fn new(outgoing: Option<Arc<Outgoing>>) -> Self {
        Self {
            outgoing,
            requests: 0,
            places: Arc::new(Semaphore::new(MAX_OPEN_REQUESTS)),
        }
    }

    /// What to send it with and to which URL, where it may be sent.
    fn admit(&mut self, request: &http::Request<WasiBody>) -> Result<(Arc<Outgoing>, Url), Error> {
        let uri = request.uri();
        if self.requests == MAX_REQUESTS {
            tracing::warn!(limit.requests = MAX_REQUESTS, "outgoing requests cut");
        }
        self.requests = self.requests.saturating_add(1);
        if self.requests > MAX_REQUESTS {
            return Err(Error::ConnectionLimitReached);
        }
        let text = uri.to_string();
        if text.len() > MAX_URL_BYTES {
            return Err(Error::HttpRequestUriTooLong);
        }
        if head_bytes(request.headers()) > MAX_HEAD_BYTES {
            return Err(Error::HttpRequestHeaderSectionSize(Some(
                MAX_HEAD_BYTES as u32,
            )));
        }
        let judged = match &self.outgoing {
            Some(outgoing) => outgoing.grant.authorize(request.method(), &text),
            None => Err(EgressDenied::NotGranted),
        };
        match (judged, &self.outgoing) {
            (Ok(url), Some(outgoing)) => Ok((outgoing.clone(), url)),
            (judged, _) => {
                let denied = judged.err().unwrap_or(EgressDenied::NotGranted);
                // The path and the query may hold what is no operator's business.
                let host = uri.host().unwrap_or_default();
                tracing::info!(http.host = host, http.denied = %denied, "outgoing request refused");
                Err(match denied {
                    EgressDenied::NotGranted | EgressDenied::Connect => Error::HttpRequestDenied,
                    EgressDenied::PrivateAddress => Error::DestinationIpProhibited,
                    EgressDenied::Url => Error::HttpRequestUriInvalid,
                })
            }
        }
    }
}

impl WasiHttpHooks for Egress {
    /// What frames a message, names its host or speaks to a proxy is the host's own.
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

    /// The host holds this much of each body, also of one that the guest never sends.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }

    /// The client derives it from the URL that was judged.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let times = Times::new(options.unwrap_or_default());
        let admitted = self.admit(&request);
        let place = self.places.clone().try_acquire_owned();
        Box::new(async move {
            let (outgoing, url) = admitted?;
            let place = place.map_err(|_| Error::ConnectionLimitReached)?;
            outgoing.send(url, request, times, place).await
        })
    }
}

/// How long the parts of an exchange may take.
struct Times {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

impl Times {
    /// What the guest asks for. Beyond that, its own time ends an exchange with it.
    fn new(asked: RequestOptions) -> Self {
        Self {
            connect: asked
                .connect_timeout
                .map_or(CONNECT_TIME, |time| time.min(CONNECT_TIME)),
            first_byte: asked.first_byte_timeout.unwrap_or(Duration::MAX),
            between_bytes: asked.between_bytes_timeout.unwrap_or(Duration::MAX),
        }
    }
}

tokio::task_local! {
    /// Of the request that is being sent: the client knows one time for all, and does not tell when it is connected.
    static CONNECTION: Arc<Connection>;
}

/// The connection of one request.
struct Connection {
    /// How long it may take.
    time: Duration,
    made: Notify,
}

/// Holds a connection to the time of its request.
#[derive(Clone)]
struct WithinConnectTime;

impl<S> Layer<S> for WithinConnectTime {
    type Service = Connecting<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Connecting(inner)
    }
}

#[derive(Clone)]
struct Connecting<S>(S);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<S, R> Service<R> for Connecting<S>
where
    S: Service<R, Error = BoxError, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = futures::future::BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connection = CONNECTION.try_with(Arc::clone).ok();
        let time = connection.as_ref().map_or(CONNECT_TIME, |c| c.time);
        let connecting = self.0.call(request);
        Box::pin(async move {
            let connected = tokio::time::timeout(time, connecting)
                .await
                .map_err(ConnectTimeout)?;
            if let Some(connection) = connection {
                connection.made.notify_one();
            }
            connected
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no connection in time")]
struct ConnectTimeout(#[source] tokio::time::error::Elapsed);

fn head_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

/// What a guest is told of a request that failed.
fn failed(error: &reqwest::Error) -> Error {
    // A guest's own body may be what failed.
    if let Some(Error::HttpRequestBodySize(most)) = cause::<Error>(error) {
        return Error::HttpRequestBodySize(*most);
    }
    if cause::<PrivateAddress>(error).is_some() {
        tracing::info!(
            http.host = error.url().and_then(Url::host_str).unwrap_or_default(),
            http.denied = %EgressDenied::PrivateAddress,
            "outgoing request refused"
        );
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
    match cause(error).map(innermost) {
        Some(ErrorKind::ConnectionRefused) => Error::ConnectionRefused,
        Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => Error::ConnectionTerminated,
        // How TLS says that the certificate is not good.
        Some(ErrorKind::InvalidData) => Error::TlsCertificateError,
        _ if error.is_connect() => Error::DestinationUnavailable,
        _ => Error::HttpProtocolError,
    }
}

/// The kind of an I/O error, or of the one that it was made of: such a one is no source of it.
fn innermost(error: &std::io::Error) -> ErrorKind {
    let mut error = error;
    while let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        error = inner;
    }
    error.kind()
}
