//! The body of a request to the MCP endpoint, sent with the headers that its revision requires.

use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use toolcrib::App;
use toolcrib::config::{Access, Config};
use toolcrib::reference::Reference;
use tower::ServiceExt;

/// A component with the functions `add` and `say`.
const FUNCTIONS: &[u8] = include_bytes!("../corpus/component/functions.wasm");

/// Length of a response beside what it quotes of the request.
const MAX_RESPONSE_BYTES: usize = 64 << 10;
/// Time to wait for the next part of an event stream, which may have no end.
const STREAM_TIME: Duration = Duration::from_millis(20);

struct Server {
    runtime: Runtime,
    router: Router,
    _app: App,
    _dir: TempDir,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("functions.wasm");
    std::fs::write(&path, FUNCTIONS).expect("a writable directory");
    let mut config = Config {
        access: Access::Open,
        cache: None,
        ..Config::default()
    };
    config.server.max_concurrent_calls = 4;
    let reference = Reference::parse("functions.wasm", dir.path()).expect("a valid reference");
    config.references.push(reference);
    let runtime = Runtime::new().expect("threads");
    let app = runtime.block_on(App::build(config));
    let app = app.unwrap_or_else(|error| panic!("{error}"));
    Server {
        runtime,
        router: app.router(),
        _app: app,
        _dir: dir,
    }
});

/// Sends a message. The answer must be a JSON-RPC message of bounded length with the id of the request, and never an
/// error of the server.
pub fn run(input: &[u8]) {
    let parsed: Value = serde_json::from_slice(input).unwrap_or_default();
    SERVER.runtime.block_on(async {
        let request = request(input, &parsed);
        let response = SERVER.router.clone().oneshot(request).await;
        let response = response.unwrap_or_else(|never| match never {});
        assert_answers(response, input, &parsed).await;
    });
}

fn request(input: &[u8], parsed: &Value) -> Request<Body> {
    let params = &parsed["params"];
    let revision = params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str();
    let mut request = Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    let mut headers = vec![("mcp-protocol-version", revision.or(Some("2025-11-25")))];
    if revision.is_some() {
        headers.push(("mcp-method", parsed["method"].as_str()));
        let name = params["name"].as_str().or(params["uri"].as_str());
        headers.push(("mcp-name", name));
    }
    for (header, value) in headers {
        let value = value.and_then(|value| axum::http::HeaderValue::from_str(value).ok());
        if let Some(value) = value {
            request = request.header(header, value);
        }
    }
    let body = Body::from(input.to_vec());
    request.body(body).expect("valid headers")
}

async fn assert_answers(response: Response<Body>, input: &[u8], parsed: &Value) {
    let status = response.status();
    let is_busy = status == StatusCode::SERVICE_UNAVAILABLE;
    assert!(is_busy || !status.is_server_error(), "{status}");
    let media_type = response.headers().get("content-type");
    let is_json = media_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let mut body = response.into_body();
    let mut text = Vec::new();
    loop {
        let frame = body.frame();
        let frame = match is_json {
            true => frame.await,
            false => tokio::time::timeout(STREAM_TIME, frame)
                .await
                .unwrap_or(None),
        };
        let Some(frame) = frame else { break };
        let data = frame.expect("a complete body").into_data();
        text.extend_from_slice(&data.unwrap_or_default());
    }
    // A character of the request may take six in the answer, and an error may quote the message twice.
    let max = MAX_RESPONSE_BYTES + 12 * input.len();
    assert!(text.len() <= max, "an answer of {} bytes", text.len());
    if !is_json {
        return;
    }
    let answer: Value = serde_json::from_slice(&text).expect("the answer is JSON");
    assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
    let has_one = answer.get("result").is_some() != answer.get("error").is_some();
    assert!(has_one, "neither a result nor an error: {answer}");
    let id = &parsed["id"];
    if status.is_success() && (id.is_string() || id.is_i64() || id.is_u64()) {
        assert_eq!(&answer["id"], id, "{answer}");
    }
}
