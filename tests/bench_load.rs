//! The load generator of the benchmark, and the plain handler that servers are compared with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::routing::post;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::median;
use super::process::{Process, processor_time};

/// The path of the MCP endpoint.
const ENDPOINT: &str = "/mcp";
const WARM_UP: Duration = Duration::from_millis(500);
/// Request bodies above this size are answered by the plain handler with a large response.
const MAX_SMALL_BYTES: usize = 64 << 10;
/// Size limit of a request body of the plain handler.
const MAX_BODY_BYTES: usize = 4 << 20;

/// The rounds of a measurement, of which the median counts.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) count: usize,
    pub(crate) duration: Duration,
}

/// A request that is sent over and over.
#[derive(Clone)]
pub(crate) struct Message {
    path: &'static str,
    body: Value,
    headers: Vec<(&'static str, String)>,
}

impl Message {
    /// A call of a tool in the revision 2025-11-25.
    pub(crate) fn call(tool: &str, arguments: Value) -> Self {
        let params = json!({ "name": tool, "arguments": arguments });
        Self::request("tools/call", params)
    }

    /// A request to a mounted component.
    pub(crate) fn to_mount(path: &'static str) -> Self {
        Self {
            path,
            body: json!({}),
            headers: Vec::new(),
        }
    }

    /// A request for the list of tools.
    pub(crate) fn list() -> Self {
        Self::request("tools/list", json!({}))
    }

    fn request(method: &str, params: Value) -> Self {
        Self {
            path: ENDPOINT,
            body: json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }),
            headers: vec![("mcp-protocol-version", "2025-11-25".into())],
        }
    }

    /// The same in the revision 2026-07-28.
    pub(crate) fn modern(mut self) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.headers = vec![
            ("mcp-protocol-version", "2026-07-28".into()),
            ("mcp-method", text(&self.body["method"])),
            ("mcp-name", text(&self.body["params"]["name"])),
        ];
        self.body["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        self
    }

    /// The same with an access token.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        let authorization = format!("Bearer {token}");
        self.headers.push(("authorization", authorization));
        self
    }
}

/// A server under measurement and the request that is sent to it.
pub(crate) struct Row {
    name: &'static str,
    server: Process,
    message: Message,
}

impl Row {
    pub(crate) fn new(name: &'static str, server: Process, message: Message) -> Self {
        Self {
            name,
            server,
            message,
        }
    }
}

/// Measures the rows in turn and prints the results, with the throughput and the processor time relative to the first.
pub(crate) async fn compare(rows: &[Row], connections: usize, rounds: Rounds) {
    println!(
        "{:<20} {:>5} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "conns", "calls/s", "p50 ms", "p99 ms", "cpu us", "of first", "cpu"
    );
    let mut measured: Vec<Vec<Round>> = rows.iter().map(|_| Vec::new()).collect();
    for row in rows {
        load(row, connections, WARM_UP).await;
    }
    for _ in 0..rounds.count {
        for (row, measured) in rows.iter().zip(&mut measured) {
            measured.push(load(row, connections, rounds.duration).await);
        }
    }
    for (row, of_row) in rows.iter().zip(&measured) {
        let median_of = |field: fn(&Round) -> f64| median(of_row.iter().map(field));
        let ratio_of = |field: fn(&Round) -> f64| {
            let pairs = of_row.iter().zip(&measured[0]);
            median(pairs.map(|(own, first)| field(own) / field(first)))
        };
        println!(
            "{:<20} {:>5} {:>9.0} {:>8.3} {:>8.3} {:>8.1} {:>8.2} {:>8.2}",
            row.name,
            connections,
            median_of(|r| r.per_second),
            median_of(|r| r.p50_ms),
            median_of(|r| r.p99_ms),
            median_of(|r| r.cpu_us),
            ratio_of(|r| r.per_second),
            ratio_of(|r| r.cpu_us),
        );
    }
}

/// The measurements of one round.
struct Round {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Processor time of the server per request.
    cpu_us: f64,
}

/// Sends requests on several connections for `duration`.
async fn load(row: &Row, connections: usize, duration: Duration) -> Round {
    let cpu_before = processor_time(row.server.id());
    let started = Instant::now();
    let request = Arc::new(request(row));
    let workers: Vec<_> = (0..connections)
        .map(|_| {
            let address = row.server.address;
            tokio::spawn(send(address, request.clone(), started + duration))
        })
        .collect();
    let mut latencies = Vec::new();
    for worker in workers {
        latencies.extend(worker.await.unwrap());
    }
    let elapsed = started.elapsed();
    latencies.sort();
    let percentile = |fraction: f64| {
        let index = ((latencies.len() - 1) as f64 * fraction) as usize;
        latencies[index].as_secs_f64() * 1e3
    };
    let cpu = processor_time(row.server.id()) - cpu_before;
    Round {
        per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
        p50_ms: percentile(0.50),
        p99_ms: percentile(0.99),
        cpu_us: cpu.as_secs_f64() * 1e6 / latencies.len() as f64,
    }
}

fn request(row: &Row) -> Request<Full<Bytes>> {
    let mut request = Request::post(row.message.path)
        .header(header::HOST, row.server.address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream");
    for (name, value) in &row.message.headers {
        let value = HeaderValue::from_str(value).unwrap();
        request = request.header(HeaderName::from_static(name), value);
    }
    let body = row.message.body.to_string();
    request.body(Full::new(body.into())).unwrap()
}

/// Sends a request one time after the other on one keep-alive connection. Returns the latencies.
async fn send(
    address: SocketAddr,
    request: Arc<Request<Full<Bytes>>>,
    until: Instant,
) -> Vec<Duration> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut latencies = Vec::new();
    let mut first: Option<Bytes> = None;
    while Instant::now() < until {
        let next = Request::clone(&request);
        sender.ready().await.unwrap();
        let started = Instant::now();
        let response = sender.send_request(next).await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        latencies.push(started.elapsed());
        let first = first.get_or_insert_with(|| {
            if request.uri().path() != ENDPOINT {
                return body.clone();
            }
            let answer = serde_json::from_slice::<Value>(&body).unwrap();
            assert_ne!(answer["result"]["isError"], true, "{answer}");
            assert!(answer["error"].is_null(), "{answer}");
            body.clone()
        });
        assert_eq!(body, *first, "the responses are equal");
    }
    latencies
}

/// Serves the plain handler that the other servers are compared with: it answers with the bytes of the echo tool.
pub(crate) async fn serve_plain() {
    let answer = |text: &str| {
        let result = json!({
            "content": [{ "type": "text", "text": text }],
            "structuredContent": { "text": text },
            "isError": false,
        });
        Bytes::from(json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string())
    };
    let (small, large) = (answer("hello"), answer(&"x".repeat(super::LARGE_BYTES)));
    let respond = move |body: Bytes| {
        let answer = match body.len() {
            0..=MAX_SMALL_BYTES => small.clone(),
            _ => large.clone(),
        };
        async move { ([(header::CONTENT_TYPE, "application/json")], answer) }
    };
    // The extractor reads the body, as any handler would.
    let router = Router::new()
        .route("/mcp", post(respond))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY_BYTES));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    eprintln!("listening on http://{address}/mcp");
    let listener = axum::serve::ListenerExt::tap_io(listener, |io| {
        let _ = io.set_nodelay(true);
    });
    axum::serve(listener, router).await.unwrap();
}
